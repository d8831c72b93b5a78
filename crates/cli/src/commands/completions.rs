//! `engraft completions`: a script for a shell that completes commands and options.
//!
//! Each script holds the commands with their options as they are now, so that completing starts no program.

use engraft_component::did_you_mean;

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::Given;
use crate::help;

/// A shell, and what prints its script.
type Shell = (&'static str, fn() -> String);

const SHELLS: [Shell; 4] = [
    ("bash", bash),
    ("zsh", zsh),
    ("fish", fish),
    ("powershell", powershell),
];

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Completions, words, &[])?;
    if given.help {
        return print(&help::command(Command::Completions));
    }
    let names = SHELLS.map(|(name, _)| name);
    let Some(word) = given.word(Command::Completions)? else {
        return Err(Failure::refused(format!(
            "completions: for which shell? Give one of {}",
            names.join(", ")
        )));
    };
    let found = SHELLS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    match found {
        Some((_, script)) => print(&script()),
        None => {
            let help = did_you_mean(word, &names, "There are").unwrap_or_default();
            Err(Failure::refused(format!(
                "completions: unknown shell \"{word}\". {help}"
            )))
        }
    }
}

/// The first sentence of a text, on one line, without what shells would read in it.
fn short(text: &str) -> String {
    let first = text.split(['.', ';', ':']).next().unwrap_or_default();
    let plain = |letter: &char| !matches!(letter, '\'' | '"' | '`' | '$' | '\\' | '[' | ']' | '\n');
    first.chars().filter(plain).collect()
}

fn bash() -> String {
    let commands = Command::ALL.map(Command::name).join(" ");
    let mut cases = String::new();
    for command in Command::ALL {
        let options = help::completed(command).into_iter().map(|(name, _)| name);
        let options: Vec<String> = options.collect();
        let (name, options) = (command.name(), options.join(" "));
        cases.push_str(&format!("    {name}) options=\"{options}\" ;;\n"));
    }
    format!(
        r#"_engraft() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" options=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands} help" -- "$current"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
    help) options="{commands}" ;;
    completions) [ "$COMP_CWORD" -eq 2 ] && options="{shells}" ;;
  esac
  if [ -n "$options" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}}
complete -o filenames -F _engraft engraft
"#,
        shells = SHELLS.map(|(name, _)| name).join(" "),
    )
}

fn zsh() -> String {
    let described = |lines: Vec<(String, String)>| {
        let lines = lines.iter();
        let lines = lines.map(|(name, text)| format!("'{name}:{}'", short(text)));
        lines.collect::<Vec<_>>().join(" ")
    };
    let commands = Command::ALL.map(|it| (it.name().to_owned(), it.about().to_owned()));
    let commands = described(commands.to_vec());
    let mut cases = String::new();
    for command in Command::ALL {
        let (name, options) = (command.name(), described(help::completed(command)));
        cases.push_str(&format!("    {name}) options=({options}) ;;\n"));
    }
    format!(
        r#"#compdef engraft
_engraft() {{
  local -a commands options
  commands=({commands} 'help:Print help on a command')
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
    help) _describe command commands; return ;;
{cases}  esac
  if [[ "$PREFIX" == -* ]]; then
    _describe -o option options
  elif [[ "$words[2]" == completions ]]; then
    compadd {shells}
  else
    _files
  fi
}}
if [ "$funcstack[1]" = "_engraft" ]; then
  _engraft "$@"
else
  compdef _engraft engraft
fi
"#,
        shells = SHELLS.map(|(name, _)| name).join(" "),
    )
}

fn fish() -> String {
    let mut script = String::new();
    for command in Command::ALL {
        let (name, about) = (command.name(), short(command.about()));
        script.push_str(&format!(
            "complete -c engraft -n __fish_use_subcommand -f -a {name} -d '{about}'\n"
        ));
    }
    script.push_str(
        "complete -c engraft -n __fish_use_subcommand -f -a help -d 'Print help on a command'\n",
    );
    let shells = SHELLS.map(|(name, _)| name).join(" ");
    script.push_str(&format!(
        "complete -c engraft -n '__fish_seen_subcommand_from completions' -f -a '{shells}'\n"
    ));
    for command in Command::ALL {
        let name = command.name();
        for (option, text) in help::completed(command) {
            let (option, text) = (option.trim_start_matches('-'), short(&text));
            script.push_str(&format!(
                "complete -c engraft -n '__fish_seen_subcommand_from {name}' -l {option} -d '{text}'\n"
            ));
        }
    }
    script
}

fn powershell() -> String {
    let quoted = |words: Vec<String>| {
        let words = words.iter().map(|word| format!("'{word}'"));
        words.collect::<Vec<_>>().join(", ")
    };
    let commands = Command::ALL.map(|it| it.name().to_owned()).to_vec();
    let mut cases = String::new();
    for command in Command::ALL {
        let options = help::completed(command).into_iter().map(|(name, _)| name);
        let (name, options) = (command.name(), quoted(options.collect()));
        cases.push_str(&format!("    '{name}' {{ @({options}) }}\n"));
    }
    format!(
        r#"Register-ArgumentCompleter -Native -CommandName engraft -ScriptBlock {{
  param($word, $ast, $position)
  $words = @($ast.CommandElements | ForEach-Object {{ $_.ToString() }})
  if ($words.Count -lt 2 -or ($words.Count -eq 2 -and $word)) {{
    $found = @({commands}, 'help')
  }} else {{
    $found = switch ($words[1]) {{
{cases}    }}
  }}
  $found | Where-Object {{ $_ -like "$word*" }} | ForEach-Object {{
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }}
}}
"#,
        commands = quoted(commands),
    )
}
