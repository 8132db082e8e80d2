from common import *
import argparse
from training import gestures as G, evaluate as E
ap=argparse.ArgumentParser(); ap.add_argument('-n',type=int,default=24); ap.add_argument('-s',default='quick,heal,young,swept,wiped'); ap.add_argument('--raw',action='store_true'); ap.add_argument('--ckpt',default='model'); ap.add_argument('--start',type=int,default=55000)
ap.add_argument('--set',nargs='*',default=[])
a=ap.parse_args(); setconst(a.set)
im=images(a.n,a.start); m=get()
G.SETTLED_STEPS=(300,)
if os.environ.get("YS"): G.YOUNG_STEPS=tuple(map(int,os.environ["YS"].split(",")))
r=Runner(m,seed=0,batch_size=min(a.n,64))
class No:
    def sure(self,p): return np.zeros(len(p),int),np.zeros(len(p))
T=E._Trial(r,images=im,labels=None,long_images=im,num_drawn=a.n,num_blank=8,classifier=None)
print(a.set,a.n, 'psnr at 96: %.2f'%metrics.psnr(np.concatenate([h[...,-1:] for h in T.healthy])[:a.n],im).mean(),flush=True)
for s in a.s.split(','):
    t0=time.time()
    if s=='heal':
        for k in('erase','scramble'):
            o=[]
            for R in(3,5,8):
                e=[metrics.mean_squared_error(x,im) for x in T.healed(k,R)]
                o.append('%.2f'%E.healed_figure('h','c',e).value)
            print(' ',k,'3 5 8:',*o,end=''); 
        print()
    elif s=='repeat':
        f=E._measure_heal_repeat(T); print('  ten:',*['%.2f'%x.value for x in f[:-1]])
    elif s=='young':
        f=[x for x in G.measure_young(r,im,.5)]
        print('  young untouched %.2f'%f[0].value, [ '%.1f'%x.value for x in f[2::2]])
    elif s=='swept':
        print('  swept erase25 scr25 erase50 scr50:',['%.2f'%x.value for x in G.measure_swept(r,im,T.healthy) if 'against' in x.metric and '300' in x.condition])
    elif s=='held':
        print('  held:',['%.2f'%x.value for x in G.measure_held(r,im,T.healthy) if 'against' in x.metric])
    elif s=='wiped':
        f=G.measure_wiped(r,im,T.healthy,No()); print('  wiped:',['%s %.2f'%(x.metric[:5],x.value) for x in f if x.metric in('blank','grey cells')])
    elif s.startswith('slow'):
        cells=float(s[4:])
        reg=G.wipe(5,cells,r.config)
        for tool in('erase','scramble'):
            st=G._after_gestures(r,T.healthy,tool,'slow'+tool,[reg]*a.n,(300,))[1]
            b=st.max(axis=(1,2,3)); print('  slow wipe',cells,tool,len(reg),'steps: blank %.2f brightest mean %.2f ink cells>.2 %.1f'%((b<.1).mean(),b.mean(),(st>.2).sum()/a.n))
    elif s=='drawn':
        f=G.measure_drawn(r,a.n); print('  drawn:',['%.2f'%x.value for x in f])
    elif s=='blank':
        E.BLANK_STEPS=600; f=E._measure_blank(T); print('  blank:',['%.3f'%x.value for x in f], 'max')
    print('    (%s %.0fs)'%(s,time.time()-t0),flush=True)
