/** What a shell runs to complete a command line: it asks cosm itself, which prints a word a line. */
export const shells = {
  bash: `# bash completion for cosm: source <(cosm completion bash)
_cosm() {
  local line word current="\${COMP_WORDS[COMP_CWORD]}"
  local -a words=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
      COMPREPLY=()
      return
    fi
    word="\${line%%$'\\t'*}"
    [[ $word == */ || $word == *= ]] && compopt -o nospace 2>/dev/null
    COMPREPLY+=("$word")
  done < <(cosm __complete -- "\${words[@]}" "$current" 2>/dev/null)
}
complete -F _cosm cosm
`,
  zsh: `#compdef cosm
# zsh completion for cosm: source <(cosm completion zsh)
_cosm() {
  local line
  local -a found
  for line in "\${(@f)$(cosm __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
      return
    fi
    [[ -z $line ]] && continue
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe cosm found
}
compdef _cosm cosm
`,
  fish: `# fish completion for cosm: cosm completion fish | source
function __cosm_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (cosm __complete -- $words[2..-1] 2>/dev/null)
    if contains -- :files $found
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c cosm -f -a '(__cosm_complete)'
`,
} as const;

export type Shell = keyof typeof shells;
