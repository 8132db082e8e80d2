"""young: upper bound. wound takes only the trained hidden channels; brightness and memory stay"""
from common import *
n=int(sys.argv[1]); setconst(sys.argv[2:])
import os; im=images(n); m=model(os.environ.get('CK','model')); r=Runner(m,seed=0,batch_size=n)
c=r.ink_centres(im,'young')
reg=np.asarray(edits.disc(jnp.asarray(c),4,28,28))
t=r.start(im,r.key('y',0),0.5)
done=0; res={}
for s in (8,16,32):
    t=r.advance(t,r.key('y',s),s-done); done=s
    a=np.array(t.state)
    for name in('hidden only','delay 20'):
        b=a.copy()
        b[...,11:31]=np.where(reg[...,None],0,b[...,11:31])
        if name=='no memory': b[...,:11]=np.where(reg[...,None],0,b[...,:11])
        u=Tracked.start(jnp.asarray(b),r.config)
        if name=='delay 20':
            # the rest goes on for 20 steps, then disc is put back as it was
            v=r.advance(Tracked.start(jnp.asarray(np.where(reg[...,None],0*a,a)),r.config),r.key('d',s),24)
            w=np.array(v.state); bb=b.copy(); bb[...,8:10]=w[...,8:10].mean(axis=(1,2),keepdims=True); 
            # life & sound of disc as outside
            out=~reg
            for k in range(n):
                bb[k,...,8]=np.median(w[k][out[k]][:,8]); bb[k,...,9]=np.median(w[k][out[k]][:,9])
            w=np.where(reg[...,None],bb,w); w[...,10]=np.where(reg,0,w[...,10])
            u=Tracked.start(jnp.asarray(w),r.config)
        p=r.picture(r.advance(u,r.key('z',s,name),300-s)); res[s,name]=metrics.psnr(p,im).mean()
p=r.picture(r.advance(t,r.key('last'),300-done)); base=metrics.psnr(p,im).mean()
print('untouched %.2f'%base, {k:round(float(v-base),2) for k,v in res.items()})
