export const diff = `
The server is asked what would come of every document; nothing is written. Values of Secrets are not shown.
KUBECTL_EXTERNAL_DIFF names another tool: it is given two directories as its last words, by no shell.

Exit codes:
    0  nothing would change
    1  something would
    2  anything went wrong, refusals among it

Examples:
  cosm diff -f web.yaml
  cosm diff -R -f manifests/ --server-side
  KUBECTL_EXTERNAL_DIFF='git diff --no-index' cosm diff -f web.yaml`;

export const sync = `
For pipelines: asks the server about every document, writes if it refuses none (server-side apply, owner
cosm), prunes what the set had and the files have no more, and waits until every object is healthy by the
rules of kstatus and every pruned one gone. An object that says Stalled for ten seconds ends the wait.
What happens is told on standard error.

Exit codes:
    0  all is as the files say and healthy; with --dry-run: there is nothing to do
    1  not healthy in time, or failed; with --dry-run: there is something to do
    2  anything went wrong: a file that cannot be read, a refusal, a server out of reach

Examples:
  cosm sync deploy/prod --applyset=prod
  cosm sync deploy/prod --applyset=prod --dry-run
  cosm sync deploy/prod --no-prune --timeout=10m -o json`;

export const edit = `
The editor is $KUBE_EDITOR, else $EDITOR, else vi; no shell reads its words. It opens again with what the
server refuses, over your text, until that is right, empty, or unchanged: then the text is kept in a file.
What others change meanwhile is kept; if it is what you have changed too, nothing is written.

Examples:
  cosm edit job/web
  EDITOR='code --wait' cosm edit network dev-net`;

export const completion = `
Kinds, names and namespaces are those of the server, if it answers within a second.

Examples:
  source <(cosm completion bash)                          also in ~/.bashrc
  source <(cosm completion zsh)                           after compinit
  cosm completion fish > ~/.config/fish/completions/cosm.fish`;
