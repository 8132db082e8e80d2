import sys; 
from common import *
from nca_viewer.checkpoint import save_checkpoint
m,info=load_checkpoint(sys.argv[1]); dyn,p=Dynamics.of(m); mm=dyn.bind(M.with_memory(dyn,p)); dyn,p=Dynamics.of(mm)
prov={a:c for a,c in info.provenance.items() if a not in('date','versions')}
import shutil; shutil.rmtree(sys.argv[2],ignore_errors=True); save_checkpoint(sys.argv[2],p,dyn.config,prov)
