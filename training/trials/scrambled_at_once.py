import os,sys; 
from common import *

n=8; im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),0.0); t=r.advance(t,r.key('y',1),150)
w=r.wound(t.state,np.full((n,2),14.),40,r.key('o'),'scramble')
H=[np.array(w.state)]
for k in range(60): w=r.advance(w,r.key('z',k),1); H.append(np.array(w.state))
x=H[-1]; b=np.argwhere(x[...,-1]>.1); print(len(b)/n,'bright per page')
from collections import Counter
C=Counter(); N=0
for i,a,c in b:
    # the step in which it got its brightness
    k=max([k for k in range(60) if abs(H[k][i,a,c,-1]-x[i,a,c,-1])>.02],default=-1)
    A,B=min(max(a-1,0),27),min(c+1,27); D,E=min(a+1,27),max(c-1,0)
    key='never changed' if k<0 else kind(H[k][i,a,c])[0]
    C[key]+=1
    if N<14: 
        N+=1; k0=max(k,0); f=lambda s,q: np.round(s[[8,9,10,31,q]],3).tolist()
        print((i,a,c),key,'k',k,f(H[k0][i,a,c],0),'->',f(H[k0+1][i,a,c],0),'NE',f(H[k0][i,A,B],4),'SW',f(H[k0][i,D,E],0),kind(x[i,a,c]))
print(C)
