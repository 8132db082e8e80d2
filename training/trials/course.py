from common import *
n=48; setconst(sys.argv[1:]); im=images(n); m=bare() if os.environ.get("CK")=="bare" else get(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),0.5)
done=0
for s in (64,80,96,128):
    t=r.advance(t,r.key('y',s),s-done); done=s
    a=np.array(t.state); L=a[...,8]; A=a[...,9]; 
    dl=L[:,:-1,1:]-L[:,1:,:-1]
    b=a[...,-1:]; bm=b[:,:-1,1:,0]; mem=a[:,1:,:-1,0]; err=np.clip((mem-.75)*4,0,1)-bm
    print(s,'psnr %.2f'%metrics.psnr(b,im).mean(),'life %.2f sd %.3f'%(L.mean(),L.std()),'diff sd %.3f p99.9 %.3f'%(dl.std(),np.quantile(dl,.999)),'awake %.2f'%A.mean(),'lost %.4f'%(abs(a[...,10])>.02).mean(),'mem rms %.3f'%np.sqrt((err**2).mean()),flush=True)

h=np.histogram(a[...,9],bins=[-1.01,-.99,-.9,-.5,-.1,.1,.5,.9,1.01])
print(h[0]/h[0].sum()); bad=np.abs(a[...,9]+1)>.1
print('where',bad.mean(axis=0).max(), np.argwhere(bad.mean(axis=0)>.3)[:20].tolist(), 'life there',a[...,8][bad][:10])
