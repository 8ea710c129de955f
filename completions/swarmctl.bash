# bash completion for swarmctl; printed by `swarmctl completion bash`
_swarmctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} line
    COMPREPLY=()
    while IFS= read -r line; do
        [ "$line" = ':files' ] && { compopt -o default; continue; }
        COMPREPLY+=("${line%%$'\t'*}")
    done < <(swarmctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$cur" 2>/dev/null)
}
complete -F _swarmctl swarmctl
