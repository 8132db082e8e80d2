from common import *
setconst(sys.argv[1:])
n=12; im=images(n); m=get(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('a'),0.5); t=r.advance(t,r.key('b'),150); P=metrics.psnr(r.picture(t),im); A=np.array(t.state)
c=r.ink_centres(im,'repeat 0'); reg=np.asarray(edits.disc(jnp.asarray(c),5,28,28))
t=r.wound(t.state,c,5,r.key('w',0),'erase'); H=[np.array(t.state)]
for k in range(96): t=r.advance(t,r.key('s',k),1); H.append(np.array(t.state))
print(sys.argv[1:],'%.2f -> %.2f'%(P.mean(),metrics.psnr(r.picture(t),im).mean()))
from collections import Counter
C=Counter(); big=Counter()
for k in range(96):
    d=np.abs(H[k+1][...,-1]-H[k][...,-1])
    for i,a,b in np.argwhere((d>.02)&reg):
        key=kind(H[k][i,a,b])[:2]+'>'+kind(H[k+1][i,a,b])[:2]; C[key]+=1
print(C.most_common(14))
N=0
for k in range(20,60):
    for i,a,b in np.argwhere(reg):
        if kind(H[k][i,a,b])[0]=='L' and kind(H[k+1][i,a,b])[0]=='Y' and N<6:
            N+=1; A,B=max(a-1,0),min(b+1,27); D,E=min(a+1,27),max(b-1,0)
            for q in (k-1,k,k+1,k+2): print(q,(a,b),'own',H[q][i,a,b,[8,9,10,31]],'NE',np.round(H[q][i,A,B,[8,9,10,4]],3),'SW',np.round(H[q][i,D,E,[8,9,10,0]],3))
