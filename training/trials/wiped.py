from common import *
from training import gestures as G
n=int(os.environ.get("N","8")); im=images(n); m=bare() if os.environ.get('CK','bare')=='bare' else get(); r=Runner(m,seed=0,batch_size=n)
age=int(os.environ.get('AGE','150'))
t=r.start(im,r.key('y',0),0.0 if os.environ.get('CK','bare')=='bare' else .5); t=r.advance(t,r.key('y',1),age)
for nm,tool,reg in (('erase','erase',G.wipe(5,3,r.config)),('scramble','scramble',G.wipe(5,3,r.config)),('once','scramble',np.ones((1,28,28),bool))):
    w=r.gesture(t,G._side_by_side([reg]*n,end_together=True),r.key(nm),tool,None) if True else None
    o=[]; d=0
    for k in (50,150,300):
        w=r.advance(w,r.key(nm,k),k-d); d=k; x=np.array(w.state); b=x[...,-1]
        o.append('blank %.2f bright cells %.1f lost %.2f life %.2f awake %.2f'%((b.max((1,2))<.1).mean(),(b>.1).sum()/n,(x[...,10]>.5).mean(),x[...,8].mean(),x[...,9].mean()))
    print(nm,o,flush=True)
