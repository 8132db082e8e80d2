"""what the memory alone does: no trained part, unmasked pictures; share of a disc's ink brightness error that is left"""
from common import *
import argparse
ap=argparse.ArgumentParser(); ap.add_argument('--steps',default='8,16,32,48,64,150'); ap.add_argument('--set',nargs='*',default=[]); ap.add_argument('-n',type=int,default=24); ap.add_argument('--after',type=int,default=160); ap.add_argument('-r',type=float,default=4)
a=ap.parse_args(); setconst(a.set)
im=images(a.n); m=bare(); r=Runner(m,seed=0,batch_size=a.n)
c=r.ink_centres(im,'young'); reg=np.asarray(edits.disc(jnp.asarray(c),a.r,28,28))
t=r.start(im,r.key('y',0),0.0); done=0
for s in map(int,a.steps.split(',')):
    t=r.advance(t,r.key('y',s),s-done); done=s
    for tool in('erase','scramble'):
        w=r.wound(t.state,c,a.r,r.key('w',s,tool),tool)
        out=[]; d=0
        for k in (8,16,24,48,a.after):
            w=r.advance(w,r.key('z',s,k),k-d); d=k
            x=np.array(w.state); e=(x[...,-1]-im[...,0])**2
            out.append('%.1f/%.1f'%((e*reg).sum((1,2)).mean(),(e*~reg).sum((1,2)).mean()))
        print(s,tool,'error in/out of disc after 8 16 24 48',a.after,*out,'lost %.3f'%(abs(x[...,10])>.02).mean(),'of %.1f'%((im[...,0]**2*reg).sum((1,2)).mean()),flush=True)
