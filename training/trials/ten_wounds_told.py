import os,sys; 
from common import *

from collections import Counter
n=int(sys.argv[1]); im=images(n); m=get()
r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('a'),0.5); t=r.advance(t,r.key('b'),96)
P=[metrics.psnr(r.picture(t),im)]
S=[np.array(t.state)]
for w in range(10):
    c=r.ink_centres(im,f'repeat {w}')
    t=r.wound(t.state,c,5,r.key('w',w),'erase'); W=np.array(t.state)
    t=r.advance(t,r.key('s',w),96); S.append(np.array(t.state))
    P.append(metrics.psnr(r.picture(t),im))
    bad=np.where(P[-1]<P[-2]-.3)[0]
    for i in bad:
        dd=np.argwhere((np.abs(S[-1][i,...,-1]-S[-2][i,...,-1])>.1)); H=None
        for a,b in dd[:5]:
            A,B=min(max(a-1,0),27),min(b+1,27); D,E=min(a+1,27),max(b-1,0)
            print('   ',(a,b),'was %.2f is %.2f'%(S[-2][i,a,b,-1],S[-1][i,a,b,-1]),'now',kind(S[-1][i,a,b]),kind(S[-1][i,A,B]),kind(S[-1][i,D,E]),'NE knew %.2f SW knew %.2f'%(S[-2][i,A,B,4],S[-2][i,D,E,0]),'own mem before',np.round(S[-2][i,a,b,:8],2),'NE mem before',np.round(S[-2][i,A,B,:8],2),'SW',np.round(S[-2][i,D,E,:8],2))
        d=np.abs(S[-1][i,...,-1]-S[-2][i,...,-1])>.1
        print('wound',w,'image',i,'%.1f -> %.1f'%(P[-2][i],P[-1][i]),'changed cells',d.sum(),'in disc',(d&np.asarray(edits.disc(jnp.asarray(c[i]),5,28,28))).sum(),'kinds before',Counter(kind(s)[0] for s in S[-2][i].reshape(-1,32)),'after',Counter(kind(s)[0] for s in S[-1][i].reshape(-1,32)),flush=True)
print(np.round([p.mean() for p in P],2))
for i in []:
    x=S[-1][i]
    for d in range(-27,28):
        idx=[(a,d+27-a) for a in range(28) if 0<=d+27-a<28]
        ks=[kind(x[a,b])[0] for a,b in idx]
        if 'L' in ks and len([1])<9:
            print('image',i,'diag',d,''.join(ks))
            for a,b in idx:
                if kind(x[a,b])[0]=='L': print('   ',(a,b),np.round(x[a,b,[8,9,10,31]],4),'own mem',np.round(x[a,b,:8],2),'NE mem',np.round(x[max(a-1,0),min(b+1,27),:8],2),'SW mem',np.round(x[min(a+1,27),max(b-1,0),:8],2))
