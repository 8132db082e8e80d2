"""prune trained hidden units from 83 to 56 by backward elimination with refit; write checkpoint with kept units at 72.."""
from common import *
from nca_viewer.checkpoint import save_checkpoint, load_checkpoint
NEW=72
n=96; im=images(n); m,prov=load_checkpoint('model'); dyn,p=Dynamics.of(m)
U=45
first,last=m.update.layers
r=Runner(m,seed=0,batch_size=n)
G=0
def add(t):
    global G
    perc=m.perceive(t.state); h=np.asarray(jax.nn.relu(perc@first.kernel[0,0]+first.bias[...]),np.float64).reshape(-1,128)[:,U:]
    G=G+h.T@h/len(h)
t=r.start(im,r.key('a'),0.5)
for s in range(40):
    t=r.advance(t,r.key('s',s),1); add(t)
for s in range(20):
    t=r.advance(t,r.key('s2',s),3); add(t)
for w in range(3):
    t=r.wound(t.state,r.ink_centres(im,f'{w}'),6,r.key('w',w),'erase' if w!=1 else 'scramble')
    for s in range(24): t=r.advance(t,r.key('s3',w,s),3); add(t)
b=r.start(np.zeros_like(im),r.key('bb'),0.0)
for s in range(10): b=r.advance(b,r.key('b',s),3); add(b)
W=np.asarray(last.kernel[0,0],np.float64)[U:]
cols=[c for c in range(32) if np.abs(W[:,c]).max()>0]; print('cols',cols)
W=W[:,cols]; wt=np.ones(len(cols)); wt[-1]=3
Wt=W*wt
S=list(range(83)); tot=np.trace(Wt.T@G@Wt)
def fit(S):
    A=G[np.ix_(S,S)]+1e-9*np.eye(len(S)); B=G[S]@Wt
    X=np.linalg.solve(A,B); return X, np.trace(Wt.T@G@Wt)-np.trace(B.T@X)
while len(S)>128-NEW:
    best=min(S,key=lambda u: fit([x for x in S if x!=u])[1]); S.remove(best)
    print(len(S),best+U,'rel %.2e'%(fit(S)[1]/tot),flush=True)
X,_=fit(S)
k0=np.array(first.kernel[...]); b0=np.array(first.bias[...]); k1=np.array(last.kernel[...])
keep=[U+s for s in S]
nk0=np.zeros_like(k0); nb0=np.zeros_like(b0); nk1=np.zeros_like(k1)
nk0[...,:U]=k0[...,:U]; nb0[:U]=b0[:U]; nk1[...,:U,:]=k1[...,:U,:]
nk0[...,NEW:]=k0[...,keep]; nb0[NEW:]=b0[keep]
nk1[0,0,NEW:][:,cols]=0
full=np.zeros((len(S),32)); full[:,cols]=X/wt; nk1[0,0,NEW:]=full
first.kernel[...]=jnp.asarray(nk0); first.bias[...]=jnp.asarray(nb0); last.kernel[...]=jnp.asarray(nk1)
dyn2,p2=Dynamics.of(m)
prov={k:v for k,v in prov.provenance.items() if k not in('date','versions')}
mm=dyn2.bind(p2); r=Runner(mm,seed=0,batch_size=n); t=r.start(im,r.key('a'),0.5); t=r.advance(t,r.key('b'),64); print('pruned refit psnr %.2f'%metrics.psnr(r.picture(t),im).mean())
save_checkpoint('shrunk',p2,dyn2.config,prov)
