"""young oracle: disc loses trained hidden channels; its brightness is put to what it was at step s0"""
from common import *
n=int(sys.argv[1])
import os; im=images(n); m=model(os.environ.get('CK','model')); r=Runner(m,seed=0,batch_size=n)
c=r.ink_centres(im,'young')
reg=np.asarray(edits.disc(jnp.asarray(c),4,28,28))
t=r.start(im,r.key('y',0),0.5)
done=0; res={}; past={0:np.array(t.state)[...,-1:]}; st={}
for s in (2,4,6,8,16,32,48,64):
    t=r.advance(t,r.key('y',s),s-done); done=s
    st[s]=np.array(t.state); past[s]=st[s][...,-1:]
p=r.picture(r.advance(t,r.key('last'),300-done)); base=metrics.psnr(p,im).mean()
for s in (8,16,32,48):
    a=st[s]
    for s0 in (0,4,s):
        b=a.copy()
        b[...,11:31]=np.where(reg[...,None],0,b[...,11:31])
        b[...,-1:]=np.where(reg[...,None],past[s0],b[...,-1:])
        u=Tracked.start(jnp.asarray(b),r.config)
        p=r.picture(r.advance(u,r.key('z',s),300-s)); res[s,s0]=metrics.psnr(p,im).mean()
    for s0 in (0,4,s):  # later: after 24 steps
        b=a.copy(); b=np.where(reg[...,None],0,b)
        v=r.advance(Tracked.start(jnp.asarray(b),r.config),r.key('d',s),24)
        w=np.array(v.state); out=~reg
        for k in range(n):
            for ch in (8,9): w[k][...,ch]=np.where(reg[k],np.median(w[k][out[k]][:,ch]),w[k][...,ch])
        w[...,10]=np.where(reg,0,w[...,10])
        w[...,11:31]=np.where(reg[...,None],0,w[...,11:31])
        w[...,:8]=np.where(reg[...,None],a[...,:8],w[...,:8])
        w[...,-1:]=np.where(reg[...,None],past[s0],w[...,-1:])
        p=r.picture(r.advance(Tracked.start(jnp.asarray(w),r.config),r.key('z',s),300-s-24)); res[s,s0,'late']=metrics.psnr(p,im).mean()
print('untouched %.2f'%base, {k:round(float(v-base),2) for k,v in res.items()})
