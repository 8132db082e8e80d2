from common import *
setconst(sys.argv[1:])
n=8; im=images(n); m=get(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),.5)
def rep(nm):
    q=np.array(t.state)[...,10]; a=q[np.abs(q)<.1]; b=q[q>.9]
    print(nm,'max |lost| near 0: %.2e'%np.abs(a).max(),'p99.9 %.2e'%np.quantile(np.abs(a),.999), 'max 1-lost: %.2e'%(1-b).max() if len(b) else '', 'between',((q>.1)&(q<.9)).sum(),flush=True)
for k in range(12):
    t=r.advance(t,r.key('z',k),12); rep(k*12+12)
c=r.ink_centres(im,'w')
for tool in ('erase','scramble'):
    t=r.wound(t.state,c,5,r.key(tool),tool)
    for k in (1,1,2,4,8,8,8,8,8,8,8,8): t=r.advance(t,r.key(tool,k),k); rep(tool)
