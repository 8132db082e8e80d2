from common import *
from training import gestures as G
from collections import Counter
setconst(sys.argv[1:])
n=int(os.environ.get("N","8")); im=images(n); m=get(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),.5); t=r.advance(t,r.key('y',1),150)
reg=G.wipe(5,3,r.config); print(reg.shape)
w=r.gesture(t,G._side_by_side([reg]*n,end_together=True),r.key('erase'),'erase',None)
d=0
for k in (0,20,40,100,200):
    if k>d: w=r.advance(w,r.key('erase',k),k-d)
    d=k; x=np.array(w.state); b=x[...,-1]
    kinds=Counter(kind(s)[0] for s in x.reshape(-1,32))
    al=[ [kind(s)[0] for s in p.reshape(-1,32)] for p in x]
    ys=[sum(c in 'YZF' for c in p) for p in al]
    ink=[((np.array([c in 'YZ' for c in p]).reshape(28,28)[...,None])&(x[i,...,:8]>.87)).any(-1).sum() for i,p in enumerate(al)]
    print(k,'bright per page',[(p>.1).sum() for p in b],'living',ys,'living that know ink',ink,flush=True)
