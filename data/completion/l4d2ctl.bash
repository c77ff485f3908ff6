# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of l4d2ctl, which knows itself what a word can become.

_l4d2ctl() {
    local words word found prefix
    # Not COMP_WORDS, which are split at "=" too.
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    mapfile -t found < <(l4d2ctl __complete "${words[@]:1}" 2>/dev/null)
    if [[ ${found[0]} == :files ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "${found[*]}" -- "$word")
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
    # bash takes what stands before the last "=" for another word.
    prefix=${word%"${word##*=}"}
    [[ $COMP_WORDBREAKS != *=* ]] || COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}

complete -F _l4d2ctl l4d2ctl
