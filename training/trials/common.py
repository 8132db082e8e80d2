import os, sys, time
import numpy as np, jax, jax.numpy as jnp
from training import memory as M, metrics
from training.runner import Runner, Tracked
from training.data import load_images
from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton import edits
from nca_viewer.automaton.system import AttentionNCA, visible
from pathlib import Path
from flax import nnx
def images(n, start=55000):
    im,_=load_images('mnist','train',Path(os.environ['MNIST']),28,28)
    return np.asarray(im[start:start+n],np.float32)
def model(ckpt='model', rewrite=True):
    m,_=load_checkpoint(ckpt)
    if not rewrite: return m
    dyn,p=Dynamics.of(m)
    return dyn.bind(M.with_memory(dyn,p))
def bare(config=None, seed=0):
    m,_=load_checkpoint('model')
    m=AttentionNCA(config or m.config, rngs=nnx.Rngs(seed))
    dyn,p=Dynamics.of(m)
    return dyn.bind(M.with_memory(dyn,p))
def setconst(args):
    for a in args:
        k,v=a.split('='); assert hasattr(M,k),k; setattr(M,k,float(v))
import dataclasses
def wide(ckpt='model', start=45):
    """the trained units behind as many memory units as needed"""
    m,_=load_checkpoint(ckpt); n=128-start
    cfg=dataclasses.replace(m.config,hidden_size=(M._UNITS+n+3)//4*4)
    w=AttentionNCA(cfg,rngs=nnx.Rngs(0))
    src=nnx.state(m,nnx.Param); 
    a=M._variables(m); b=M._variables(w)
    for x,y in zip(a[:-4],b[:-4]):
        if x.shape==y.shape: y[...]=x[...]
        else:
            v=np.asarray(x[...]); f=np.zeros(y.shape,np.float32)
            if v.ndim==3 and v.shape[0]==40: f[:,:,:32]=v
            elif v.ndim==2: f[:,:32]=v
            else: f[:,:32,:]=v
            if x is a[3] or x is a[4]: f*=np.sqrt(y.shape[-1]/32)
            y[...]=jnp.asarray(f)
    f=np.zeros(b[-4].shape,np.float32); f[...,M._UNITS:M._UNITS+n]=np.asarray(a[-4][...])[...,start:]; b[-4][...]=jnp.asarray(f)
    f=np.zeros(b[-3].shape,np.float32); f[M._UNITS:M._UNITS+n]=np.asarray(a[-3][...])[start:]; b[-3][...]=jnp.asarray(f)
    f=np.zeros(b[-2].shape,np.float32); f[...,M._UNITS:M._UNITS+n,:]=np.asarray(a[-2][...])[...,start:,:]; b[-2][...]=jnp.asarray(f)
    b[-1][...]=a[-1][...]
    return turned(w)
def turned(w):
    """soundness s as 1 - awake in what trained parts read"""
    dyn,p=Dynamics.of(w); w=dyn.bind(jax.tree.map(jnp.asarray,p)); b=M._variables(w)
    row=M._AWAKE
    for k,c in ((3,4),(5,6),(7,8)):
        ker=np.array(b[k][...]); bias=np.array(b[c][...])
        bias+=ker[row]; ker[row]*=-1
        b[k][...]=jnp.asarray(ker); b[c][...]=jnp.asarray(bias)
    out=np.array(b[9][...]); ob=np.array(b[10][...]); P=M._PERCEPTION_SIZE
    for h in range(3): ob[P:]+=out[h,row,P:]; out[h,row,P:]*=-1
    b[9][...]=jnp.asarray(out); b[10][...]=jnp.asarray(ob)
    dyn,p=Dynamics.of(w)
    return dyn.bind(M.with_memory(dyn,p))
import os
def get():
    ck=os.environ.get('CK','wide')
    return wide() if ck=='wide' else model(ck)
def kind(s):
    l,a,q=s[8],s[9],s[10]
    if q>.97: return 'E' if a<-.9 else 'e' if a<.9 else 'L%d'%int(10*max(l,0))
    if abs(q)<.02:
        if l<-.02: return 'neg'
        return ('F' if abs(a)<.3 else 'Y' if a>0 else 'Z')+('%d'%int(10*l))
    return 'garb'
