#!/usr/bin/env bash
# slurm.sh FOLDER: a SLURM cluster of one node on the loopback, without accounting, until standard input ends.
# Two cores, partitions cpu and gpu, two fake GPUs. All that it keeps lies in FOLDER. Installs Debian's packages where they
# are missing. Prints "ready" once jobs can be sent, or why there can be no cluster here.
# Use it with SLURM_CONF=FOLDER/slurm.conf and FOLDER/bin first in PATH.
set -euo pipefail
folder=$1
host=$(hostname -s)

if [ "$(id -u)" != 0 ]; then
    echo "starting munge and SLURM needs root"
    exit
fi
if ! type munged slurmctld slurmd sbatch srun &>/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update && apt-get install --yes --no-install-recommends munge slurmctld slurmd slurm-client; } >&2; then
        echo "Debian's packages munge, slurmctld, slurmd and slurm-client are not here and cannot be installed"
        exit
    fi
fi

mkdir -p "$folder"/{state,spool,bin}
# SLURM takes devices only, no plain files, for GPUs; it counts them and never opens them.
ln -s /dev/null "$folder/gpu0"
ln -s /dev/null "$folder/gpu1"
dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
chmod 600 "$folder/munge.key"
# Snakemake's plugin clears SLURM_CONF before it calls srun.
printf '#!/bin/sh\nSLURM_CONF=%q exec %q "$@"\n' "$folder/slurm.conf" "$(command -v srun)" >"$folder/bin/srun"
chmod +x "$folder/bin/srun"
read -r controller node < <(python3 -c '
import socket
with socket.socket() as one, socket.socket() as two:
    one.bind(("127.0.0.1", 0)), two.bind(("127.0.0.1", 0))
    print(one.getsockname()[1], two.getsockname()[1])')

cat >"$folder/gres.conf" <<END
NodeName=$host Name=gpu File=$folder/gpu[0-1]
END
# config_overrides: the memory that rules ask for need not be there. cred_expire: a requeued job waits that long.
cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmdPort=$node
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=1
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=100000 Gres=gpu:2
PartitionName=cpu Nodes=$host Default=YES
PartitionName=gpu Nodes=$host
END

export SLURM_CONF=$folder/slurm.conf
daemons=()
stop() {
    scancel --quiet --user root 2>/dev/null || true
    sleep 1
    kill "${daemons[@]}" 2>/dev/null || true
    wait
}
trap stop EXIT
trap exit INT TERM
munged --foreground --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" \
    --pid-file "$folder/munged.pid" --log-file "$folder/munged.log" --seed-file "$folder/munged.seed" >&2 &
daemons+=($!)
slurmctld -D >&2 &
daemons+=($!)
slurmd -D >&2 &
daemons+=($!)
until sinfo --noheader 2>/dev/null | grep --quiet idle; do
    kill -0 "${daemons[@]}"
    sleep 0.2
done
echo ready
cat >/dev/null
