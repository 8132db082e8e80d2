from common import *
from training import gestures as G, runner as RR; G.CHUNK_STEPS=1; RR.CHUNK_STEPS=1
from collections import Counter
tool=sys.argv[1]; setconst(sys.argv[2:])
n=int(os.environ.get('N','16')); im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
t=r.start(im,r.key('y',0),0.0); t=r.advance(t,r.key('y',1),150)
reg=G.wipe(5,3,r.config) if tool!='once' else np.ones((1,28,28),bool)
tl='scramble' if tool=='once' else tool
H=[np.array(t.state)]; w=t
for k in range(len(reg)):
    w=r.gesture(w,G._side_by_side([reg[k:k+1]]*n,end_together=True),r.key(tl,k),tl,None); H.append(np.array(w.state))
for k in range(100):
    w=r.advance(w,r.key('e',k),1); H.append(np.array(w.state))
x=H[len(reg)+50]; b=x[...,-1]>.1
print('bright per page',[int(p.sum()) for p in b],Counter(kind(s)[0] for s in x[b]))
E0=len(reg)+50
rng=np.random.default_rng(1); bad=np.argwhere(b); rng.shuffle(bad)
for i,a,c in bad[:int(os.environ.get('NB','8'))]:
    A,B=max(a-1,0),min(c+1,27); C,D=min(a+1,27),max(c-1,0)
    s=[];last=None
    for k in range(E0+1):
        kk=[kind(H[k][i,p,q]) for p,q in ((a,c),(A,B),(C,D))]; key=tuple(v[0] for v in kk)
        if key!=last: s.append(('%d%s:'%(k,'*' if k<=len(reg) and k>0 and reg[k-1][a,c] else ''))+'/'.join(kk)+(' b%.2f'%H[k][i,a,c,-1])); last=key
    print((i,a,c),'true %.2f is %.2f'%(im[i,a,c,0],x[i,a,c,-1]),' '.join(s))
