from common import *
from collections import Counter
n=12; S=int(sys.argv[1]); tool=sys.argv[2]; im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
c=r.ink_centres(im,'young'); reg=np.asarray(edits.disc(jnp.asarray(c),4,28,28))
t=r.start(im,r.key('y',0),0.0); t=r.advance(t,r.key('y',S),S)
w=r.wound(t.state,c,4,r.key('w',S),tool)
def kind(s):
    l,a,q=s[8],s[9],s[10]
    if q>.97: return 'E' if l<-.5 else 'L'
    if abs(q)<.02: 
        if l<-.02: return 'neg'
        return ('F' if abs(a)<.3 else 'Y' if a>0 else 'Z')+('' if l<.5 else 'old')
    return 'garb'
old=None; C=Counter(); ex={}
for k in range(30):
    x=np.array(w.state)
    if old is not None:
        for i,a,b in np.argwhere(reg):
            A,B=kind(old[i,a,b]),kind(x[i,a,b])
            if A!=B and 0<a<27 and 0<b<27:
                key=(A,B,*sorted((kind(old[i,a-1,b+1]),kind(old[i,a+1,b-1]))))
                C[key]+=1
                if key not in ex: ex[key]=(k,np.round(old[i,a,b,[8,9,10,31]],3).tolist(),np.round(x[i,a,b,[8,9,10,31]],3).tolist(),np.round(old[i,a-1,b+1,[8,9,10,31,4]],2).tolist(),np.round(old[i,a+1,b-1,[8,9,10,31,0]],2).tolist())
    old=x; w=r.advance(w,r.key('z',S,k),1)
for k,v in C.most_common(0): print(v,*k,'e.g.',*ex[k])
print('--- first L')
for k,v in C.most_common():
    if k[1] in('L','Fold','Zold','Yold') and 'L' not in k[2:] and not k[0].endswith('old') and k[0]!='Y' or k[0]=='Y' and k[1] in ('L','E'): print(v,*k,'e.g.',*ex[k])
x=np.array(w.state); e=np.abs(x[...,-1]-im[...,0])>.2
ink=im[...,0]>.3
K=Counter(); 
for i,a,b in np.argwhere(reg&ink&e): K[kind(x[i,a,b])]+=1
print('wrong ink at the end by kind',K,'of',(reg&ink).sum())
N=0
for i,a,b in np.argwhere(reg&ink&e):
    if kind(x[i,a,b])[0]=='Y' and 0<a<27 and 0<b<27 and N<14:
        N+=1; print('wrong',np.round(x[i,a,b,[8,9,10,31]],2),'true %.2f'%im[i,a,b,0],'NE knows %.2f SW knows %.2f, needs %.2f'%(x[i,a-1,b+1,4],x[i,a+1,b-1,0],.75+.25*im[i,a,b,0]), 'NE in disc',reg[i,a-1,b+1],'SW',reg[i,a+1,b-1])
K=Counter(kind(x[i,a,b])+(' low' if -.02<x[i,a,b,8]<.3 else '') for i,a,b in np.argwhere(reg)); print('kinds at the end',K)
N=0
for i,a,b in np.argwhere(reg):
    if kind(x[i,a,b]) in('F','Z','E') and 0<a<27 and 0<b<27 and N<8:
        N+=1; print('asleep',np.round(x[i,a,b,[8,9,10,31]],3),'NE',np.round(x[i,a-1,b+1,[8,9,10,4]],2),'SW',np.round(x[i,a+1,b-1,[8,9,10,0]],2))
