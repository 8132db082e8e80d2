"""an old page's wound of the memory alone: histories of the cells that are wrong in the end"""
import os, sys; 
from common import *
from collections import Counter
R=float(sys.argv[1]); tool=sys.argv[2]; AGE=int(sys.argv[3]); setconst(sys.argv[4:])
n=16; im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
c=r.ink_centres(im,'young'); reg=np.asarray(edits.disc(jnp.asarray(c),R,28,28))
t=r.start(im,r.key('y',0),0.0); t=r.advance(t,r.key('y',AGE),AGE)
w=r.wound(t.state,c,R,r.key('w',AGE),tool)
def kind(s):
    l,a,q=s[8],s[9],s[10]
    if q>.97: return 'E' if a<-.9 else 'e' if a<.9 else 'L%d'%int(10*max(l,0))
    if abs(q)<.02:
        if l<-.02: return 'neg'
        return ('F' if abs(a)<.3 else 'Y' if a>0 else 'Z')+('%d'%int(10*l))
    return 'garb'
H=[np.array(w.state)]
T=120
for k in range(T):
    w=r.advance(w,r.key('z',k),1); H.append(np.array(w.state))
x=H[-1]; e=np.abs(x[...,-1]-im[...,0])>.15; K=Counter(kind(x[i,a,b]) for i,a,b in np.argwhere(e&reg)); print('wrong at end by kind',K,'of',reg.sum(),'outside',(e&~reg).sum())
bad=np.argwhere(e&reg); rng=np.random.default_rng(0); rng.shuffle(bad)
for i,a,b in bad[:int(os.environ.get("NB","6"))]:
    if not(0<a<27 and 0<b<27): continue
    s=[]; last=None
    for k in range(T+1):
        kk=(kind(H[k][i,a,b]),kind(H[k][i,a-1,b+1]),kind(H[k][i,a+1,b-1]))
        q=tuple(v[0] for v in kk)
        if q!=last: s.append('%d:%s'%(k,'/'.join(kk))); last=q
    y=x[i,a,b]
    print((i,a,b),'is %.2f true %.2f'%(y[-1],im[i,a,b,0]),'NE knows %.2f SW knows %.2f need %.2f'%(x[i,a-1,b+1,4],x[i,a+1,b-1,0],.75+.25*im[i,a,b,0]),' '.join(s))
N=0
if len(sys.argv)>4 and sys.argv[4]=='z': pass
C=Counter(); ex={}
for k in range(int(os.environ.get("KS","40"))):
    for i,a,b in np.argwhere(reg):
        if not(0<a<27 and 0<b<27): continue
        A,B=kind(H[k][i,a,b]),kind(H[k+1][i,a,b])
        A2,B2=A[0],B[0]
        if A2!=B2:
            key=(A2,B2,*sorted((kind(H[k][i,a-1,b+1])[0],kind(H[k][i,a+1,b-1])[0])))
            C[key]+=1
            if C[key]<=4: ex.setdefault(key,[]).append((k,np.round(H[k][i,a,b,[8,9,10,31]],3).tolist(),np.round(H[k+1][i,a,b,[8,9,10,31]],3).tolist(),np.round(H[k][i,a-1,b+1,[8,9,10,31,4]],2).tolist(),np.round(H[k][i,a+1,b-1,[8,9,10,31,0]],2).tolist()))
import os
want=os.environ.get('WANT','EZ,EY,gZ,gY,EF,FY,FZ').split(',')
for key,v in C.most_common():
    if key[0]+key[1] in want: print(v,*key,'e.g.',*("\n    %s"%(e,) for e in ex[key]))
