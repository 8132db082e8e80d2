import sys; 
from common import *
from training import gestures as G

n=8; im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),0.0); t=r.advance(t,r.key('y',1),150)
from collections import Counter
for nm,reg in (('scramble',G.wipe(5,3,r.config)),('once',np.ones((1,28,28),bool))):
    w=r.gesture(t,G._side_by_side([reg]*n,end_together=True),r.key(nm),'scramble',None)
    w=r.advance(w,r.key(nm,50),50); x=np.array(w.state); b=x[...,-1]>.1
    print(nm,'bright',Counter(kind(s) for s in x[b]),'all',Counter(kind(s) for s in x.reshape(-1,32)))
    for s in x[b][:12]: print(np.round(s[[8,9,10,31]],4).tolist(),np.round(s[:8],2).tolist(),'trained',np.round(s[11:14],2))
