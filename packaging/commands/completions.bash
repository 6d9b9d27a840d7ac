# For with-ferrozmq and ferrozmq-service.

_with_ferrozmq() {
    if declare -F _command_offset >/dev/null; then
        _command_offset 1
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$2")
    fi
}

_ferrozmq_service() {
    local word=$2 command=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "enable disable status list --root --help" -- "$word")
        return
    fi
    case $command in
    enable)
        mapfile -t COMPREPLY < <(
            compgen -W "--security --audit --stats $(systemctl list-unit-files --type=service --no-legend 2>/dev/null | awk '{ print $1 }')" -- "$word"
        )
        ;;
    disable | status)
        mapfile -t COMPREPLY < <(compgen -W "--all $(ferrozmq-service list 2>/dev/null)" -- "$word")
        ;;
    esac
}

complete -F _with_ferrozmq with-ferrozmq
complete -o default -F _ferrozmq_service ferrozmq-service
