from common import *
n=int(sys.argv[1]); setconst(sys.argv[2:])
import os; im=images(n); m=get()
r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('a'),0.5); t=r.advance(t,r.key('b'),96)
out=[metrics.psnr(r.picture(t),im).mean()]
for w in range(10):
    c=r.ink_centres(im,f'repeat {w}')
    t=r.wound(t.state,c,5,r.key('w',w),'erase'); t=r.advance(t,r.key('s',w),96)
    out.append(metrics.psnr(r.picture(t),im).mean())
print(sys.argv[1:], 'lost %.2f'%(out[0]-out[-1]), np.round(out,2), flush=True)
