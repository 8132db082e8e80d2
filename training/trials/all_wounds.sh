# from the project: MNIST, PYTHONPATH and CK set as README.md says
for S in 8 16 32 48 64; do for t in erase scramble; do NB=0 WANT=xx python training/trials/histories.py 4 $t $S $* 2>&1 | grep -v aot | cut -c1-330 | sed "s/^/$S $t /"; done; done
for t in erase scramble; do NB=0 WANT=xx python training/trials/histories.py 5 $t 150 $* 2>&1 | grep -v aot| cut -c1-260| sed "s/^/old $t /"; done
