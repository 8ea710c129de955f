# fish completion for swarmctl; printed by `swarmctl completion fish`
complete -c swarmctl -f -a '(swarmctl __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null | string match -v ":files")'
