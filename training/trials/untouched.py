import os, sys; 
from common import *

setconst(sys.argv[1:]); n=8; im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),0.0); old=np.array(t.state); N=0
for k in range(170):
    t=r.advance(t,r.key('z',k),1); x=np.array(t.state)
    new=(np.abs(x[...,-1]-im[...,0])>.1)&~(np.abs(old[...,-1]-im[...,0])>.1)
    if new.sum():
        if N<12:
            for i,a,b in np.argwhere(new)[:3]:
                N+=1; A,B=max(a-1,0),min(b+1,27); C,D=min(a+1,27),max(b-1,0)
                print(k,(i,a,b),'true %.2f'%im[i,a,b,0],np.round(old[i,a,b,[8,9,10,31]],3),np.round(x[i,a,b,[8,9,10,31]],3),'NE',np.round(old[i,A,B,[8,9,10,31,4]],3),'SW',np.round(old[i,C,D,[8,9,10,31,0]],3))
    old=x
    if k in(4,8,12,16,24,59,90,120,169): print(k,'wrong per page',(np.abs(x[...,-1]-im[...,0])>.1).sum()/n)
