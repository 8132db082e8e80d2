from common import *
n=6; im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),0.0); t=r.advance(t,r.key('y',1),150)
x=np.array(t.state)
w=r.wound(t.state,np.full((n,2),14.),40,r.key('w'),'scramble')
hist=[np.array(w.state)]
for k in range(90): 
    w=r.advance(w,r.key('k',k),1); hist.append(np.array(w.state))
x=hist[-1]; b=x[...,-1]
N=0
from collections import Counter
for i,a,c in np.argwhere(b>.1):
    if N>=4 or not(0<a<27 and 0<c<27): continue
    N+=1
    print((i,a,c)); last=None
    for k,h in enumerate(hist):
        v=np.round(h[i,a,c,[8,9,10,31]],2).tolist()
        if v!=last: print('  ',k,v,'NE',np.round(h[i,a-1,c+1,[8,9,10,4]],2).tolist(),'SW',np.round(h[i,a+1,c-1,[8,9,10,0]],2).tolist()); last=v
