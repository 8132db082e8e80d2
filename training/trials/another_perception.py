from common import *
from nca_viewer.checkpoint import save_checkpoint
src=sys.argv[1]; dst=sys.argv[2]
m,info=load_checkpoint(src)
P=26
im=images(32); r=Runner(m,seed=0,batch_size=32); t=r.start(im,r.key('a'),.5)
v=0
for k in range(6):
    t=r.advance(t,r.key('b',k),8); v=v+np.asarray(m.perceive(t.state)).reshape(-1,64).var(0)
b=M._variables(m); first=np.array(b[-4][...]); out=np.array(b[9][...]); ob=np.array(b[10][...])
imp=np.sqrt(v)*np.linalg.norm(first[0,0][:,M._UNITS:],axis=1); k=P+int(np.argmin(imp[P:])); print('least',k,imp[k],np.sort(imp[P:])[:4],np.median(imp[P:]))
# mean of the dropped perception goes into the biases of the units
fb=np.array(b[-3][...]); mean=np.asarray(m.perceive(t.state)).reshape(-1,64).mean(0)[k]; fb[M._UNITS:]+=mean*first[0,0][k,M._UNITS:]
first[0,0][k]=first[0,0][P]; out[...,k]=out[...,P]; ob[k]=ob[P]
b[-4][...]=jnp.asarray(first); b[9][...]=jnp.asarray(out); b[10][...]=jnp.asarray(ob); b[-3][...]=jnp.asarray(fb)
dyn,p=Dynamics.of(m); mm=dyn.bind(M.with_memory(dyn,p)); dyn,p=Dynamics.of(mm)
prov={a:c for a,c in info.provenance.items() if a not in('date','versions')}
import shutil; shutil.rmtree(dst,ignore_errors=True); save_checkpoint(dst,p,dyn.config,prov)
r=Runner(mm,seed=0,batch_size=32); t=r.start(im,r.key('a'),.5); d=0
for k in (24,32,40,48,64,96): t=r.advance(t,r.key('b',k),k-d); d=k; print(k,'psnr %.2f'%metrics.psnr(r.picture(t),im).mean())
