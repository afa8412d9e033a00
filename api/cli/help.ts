/** What --help says after the options. */

export const program = `
Objects are named KIND NAME or KIND/NAME; kinds may be plural, singular or short: jobs, job, mj.

Examples:
  cosm apply -f web.yaml            create or change what the file describes
  cosm get jobs,tasks -o wide       list jobs and tasks with their addresses
  cosm describe job/web             find out why it is not running
  cosm logs job/web -f              follow what its tasks write
  cosm exec job/web -it -- sh       look around in one of its tasks
  cosm rollout undo job/web         go back to the template that it had before
  cosm wait job/web --for=condition=Ready --timeout=2m

Exit codes:
    0  done
    1  refused by the server, failed, or not found
    2  wrong usage: the command line or the kubeconfig
    3  what was waited for did not happen in time
    4  the server, or the agent of the task, cannot be reached
  130  interrupted

Colour is used on a terminal only, and never if NO_COLOR is set.`;

export const apply = `
Every document of every file is checked here and by the server before anything is written: if one is
refused, nothing changes, and each mistake is shown as FILE:LINE:COLUMN: FIELD: MESSAGE. Namespaces and
networks are written first. Fields that a file no longer has are removed, fields that others set are
kept; kubectl apply works on the same objects. With --server-side the server merges and remembers who
owns which field: a field that somebody else owns with another value is refused.

With --prune --applyset=NAME objects get a label of the set, and those that have it and are in the files no
more are deleted, once all else is written; nothing is pruned if anything is refused. kubectl apply --prune
--applyset=NAME (KUBECTL_APPLYSET=true) works on the same sets.

Examples:
  cosm apply -f web.yaml
  cosm apply -f web.yaml --server-side
  cosm apply -f manifests/ -R
  cosm apply -f manifests/ -R --prune --applyset=team-a
  render | cosm apply -f -
  cosm apply -f web.yaml --dry-run=server`;

export const get = `
Examples:
  cosm get jobs                                   jobs of the namespace
  cosm get tasks -A -o wide                       tasks of all namespaces, with addresses
  cosm get task -l app=web -w                     tasks with a label, and every change
  cosm get job/web -o yaml
  cosm get tasks -o jsonpath='{range .items[*]}{.metadata.name}{"\\t"}{.status.ip}{"\\n"}{end}'
  cosm get tasks -o jsonpath='{.items[?(@.status.phase=="Running")].status.ip}'
  cosm get tasks --sort-by=.metadata.creationTimestamp`;

export const describe = `
Examples:
  cosm describe job web
  cosm describe task/web-0-4k7x2m9q1z`;

export const explain = `
Examples:
  cosm explain job
  cosm explain job.spec.template.spec.containers.readinessProbe
  cosm explain job.spec --recursive
  cosm explain jobdrift                           what cosm drift -o json prints

kubectl explain says the same.`;

export const remove = `
A task is killed only after its members have been withdrawn from ZooKeeper. If ZooKeeper is away, that
waits; --force goes on without: clients may then find addresses of tasks that are gone, until ZooKeeper
is back. It sets the annotation mesocosm.dev/force-delete: "true" on the Job and its Tasks.

A task that is Unreachable may return, so its object stays and Mesos is asked again and again. If you know
that it is dead, since its machine is, --confirm-dead says so (mesocosm.dev/confirm-dead: "true"): its
members go, its Job can end or replace it, and its addresses are free a minute later. Should it return all
the same, it is killed at once.

Examples:
  cosm delete job/web
  cosm delete -f web.yaml --timeout=2m            3 if they are not gone by then
  cosm delete jobs --all -n trial --dry-run=server   what would go; without --dry-run it does
  cosm delete jobs -l team=a
  cosm delete job/web --wait=false                do not wait until its tasks have stopped
  cosm delete task/web-0-4k7x2m9q1z               the job starts another in its place
  cosm delete job/web --force
  cosm delete task/web-0-4k7x2m9q1z --confirm-dead`;

export const scale = `
Examples:
  cosm scale job/web --replicas=5
  cosm scale job/web job/api --replicas=0`;

export const wait = `
Exit code 3 says that the time was up, 1 that an object does not exist or was deleted meanwhile.

Examples:
  cosm wait job/web --for=healthy --timeout=5m            done and ready, by the rules of kstatus
  cosm wait job/web --for=condition=Ready --timeout=5m
  cosm wait job/web --for=delete
  cosm wait task -l app=web --for=jsonpath='{.status.phase}'=Running
  cosm wait job/web --for=condition=Reconciling=False`;

export const logs = `
The server reads the logs from the agent that runs the task: "get" of pods/log must be allowed.
Of a job, the live task of every instance is read or, where none lives, the last one; of a Batch Job
so what has succeeded too. Lines then begin with [TASK]. Agents collect the sandboxes of ended tasks some
time later: "log gone" says of which, and only if nothing is left to read is that a failure. With -f
tasks that have ended before are left out while any lives.

Examples:
  cosm logs web-0-4k7x2m9q1z
  cosm logs job/web -f --tail=20
  cosm logs task/web-0-4k7x2m9q1z -c sidecar --stderr`;

export const exec = `
The command runs in the namespaces and the sandbox of the task, on its agent, and the server relays what goes
in and out: "create" of pods/exec must be allowed. It ends with the task, and when cosm is
interrupted. Of a job, the first live task is taken.

The exit code is that of the command, 128 and the number of the signal if it was killed; the codes of
cosm itself (see cosm --help) if it could not be run.

Examples:
  cosm exec web-0-4k7x2m9q1z -- ip addr
  cosm exec job/web -it -- sh
  cosm exec web-0-4k7x2m9q1z -c sidecar -i -- tee /tmp/list < list`;

export const attach = `
Standard output and standard error are both shown, from the files in the sandbox: tasks have no standard
input. For one with input, use cosm exec -it.

Examples:
  cosm attach web-0-4k7x2m9q1z
  cosm attach job/web -c sidecar`;

export const drift = `
For each instance: what the job wants, its Task in etcd, its task by the Mesos master with its container
and addresses by the agent, and its members in ZooKeeper. Drift is what differs although nothing under
way explains it; before it is told, all is read a second time. Moving is what differs while a task is
launched, stopped, drained or held, or while the job itself says that it is not done.

Exit codes:
    0  all truths agree, or what differs is under way
    1  there is drift; with --strict also if something is under way
    2  a truth could not be read, or the server refused or failed: this never counts as agreement

Examples:
  cosm drift job/web
  cosm drift -n prod
  cosm drift -A                                   also tasks and members of ours that no job explains
  cosm drift job/web -o json | jq -r '.instances[].findings[].message'`;

export const events = `
Examples:
  cosm events
  cosm events --for job/web -w
  cosm events -A --types=Warning`;

export const framework = `
If Mesos no longer knows our framework while tasks of it may run, nothing is subscribed until an operator
decides: adopt the id under which the tasks run, or, if they are all dead, reset.

Each leader has a greater epoch than the one before, and ZooKeeper remembers it. After etcd was restored or
emptied epochs begin anew, and nothing is published (EpochAhead). If no other control plane of the same
clusterName runs, take-epoch lets the leader go on, once, over exactly the epoch that you name.

Examples:
  cosm framework
  cosm framework adopt 3f6b2a7e-…-0001
  cosm framework reset --confirm-all-dead
  cosm framework take-epoch 1048576`;

export const serverset = `
release  If more members would go at once than the brake allows, as their tasks became unreachable, they
         are held (condition Held). If the tasks are really gone, let their members go.
purge    Removes every member of this control plane on the paths of the set: held, stopping and stale
         ones for good; those of ready tasks are replaced, each in one transaction, so that readers
         never miss one. Members of others are never touched. For a path that no set has any more:
         make a ServerSet on it that selects nothing, and delete it.

The leader does both, and removes the annotation (mesocosm.dev/release-held, mesocosm.dev/purge) when
it has; while ZooKeeper is away or refuses, the wish stays.

Examples:
  cosm serverset release web
  cosm serverset purge web --wait --timeout=1m`;
