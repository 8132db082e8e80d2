from common import *
n=24; S=int(sys.argv[1]); tool=sys.argv[2]; setconst(sys.argv[3:]); im=images(n); m=bare(); r=Runner(m,seed=0,batch_size=n)
c=r.ink_centres(im,'young'); reg=np.asarray(edits.disc(jnp.asarray(c),4,28,28))
t=r.start(im,r.key('y',0),0.0)
u=r.advance(t,r.key('y',24),24); x=np.array(u.state); bad=np.abs(x[...,-1]-im[...,0])>.1
print('fresh page wrong cells per page',bad.sum()/n, 'by row/col border', (bad[:,0].sum()+bad[:,-1].sum()+bad[:,:,0].sum()+bad[:,:,-1].sum())/n)
k=np.argwhere(bad)[:8]
for i,a,b in k: print((a,b),'is %.2f was %.2f'%(x[i,a,b,-1],im[i,a,b,0]),'mem NE knows %.2f SW knows %.2f'%(x[i,max(a-1,0),min(b+1,27),4],x[i,min(a+1,27),max(b-1,0),0]))
t=r.advance(t,r.key('y',S),S)
# depth
dep=np.zeros((2,n,28,28),int)
for i in range(n):
    for a,b in np.argwhere(reg[i]):
        for s,(da,db) in enumerate(((-1,1),(1,-1))):
            d=1; 
            while 0<=a+da*d<28 and 0<=b+db*d<28 and reg[i,a+da*d,b+db*d]: d+=1
            dep[s,i,a,b]=d if 0<=a+da*d<28 and 0<=b+db*d<28 else 9
md=dep.min(0)
w=r.wound(t.state,c,4,r.key('w',S),tool); d=0
for k in (2,4,6,8,12,16,24,40):
    w=r.advance(w,r.key('z',S,k),k-d); d=k
    x=np.array(w.state); e=np.abs(x[...,-1]-im[...,0])>.2; ink=im[...,0]>.3
    print(k,'ink wrong by depth',[('%.2f'%e[(md==q)&ink&reg].mean()) for q in (1,2,3)],'paper wrong','%.3f'%e[reg&~ink].mean(),
      'life',[('%.2f'%x[...,8][(md==q)&reg].mean()) for q in (1,2,3)],'awake',[('%.2f'%x[...,9][(md==q)&reg].mean()) for q in (1,2,3)],'lost',[('%.2f'%x[...,10][(md==q)&reg].mean()) for q in (1,2,3)],
      'outside life %.2f lost %.4f'%(x[...,8][~reg].mean(),x[...,10][~reg].mean()))
