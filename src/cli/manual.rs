//! The manual page, roff: names and options from the definition of the arguments, the rest by hand.

use clap::Command;
use clap_mangen::Man;
use std::io::{self, Write};

/// Lets the parts write an apostrophe as `\*(Aq`: GNU's roff would turn a plain one into a quotation mark.
const APOSTROPHE: &str = r".ie \n(.g .ds Aq \(aq
.el .ds Aq '";

/// What no definition of arguments knows. `\-` is a minus that can be copied, `\(bu` a bullet.
const BY_HAND: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
Done; with \fBanalyze\fR: every series was triaged; with \fBdoctor\fR: nothing failed.
.TP
\fB1\fR
The box failed: a disk, the state, the model, the broker's files. The line \fBhint:\fR says what to do.
.TP
\fB2\fR
Wrong arguments or settings.
.TP
\fB3\fR
At least one series was not triaged; the reason is printed with it.
.SH ENVIRONMENT
.TP
\fBSCANWARD_ISA\fR, \fBSCANWARD_THREADS\fR
The instruction set and the number of threads that the network runs on, instead of \fBisa\fR and \fBthreads\fR under [engine] in
the settings. \fBscanward \-\-version \-v\fR says what runs.
.SH FILES
.TP
\fI/etc/scanward/scanward.toml\fR
The settings. The example beside the unit explains every key; an unknown key is an error that names the nearest right one.
.TP
\fI/etc/scanward/mqtt\-password\fR
The broker's password, handed to the service by systemd as a credential.
.TP
\fI/var/lib/scanward/state.redb\fR
What must survive a power cut: which series had which ending, the messages the broker has not taken yet, the key of the
pseudonyms. One running scanward holds it at a time.
.TP
\fI/etc/scanward/ward.toml\fR
The settings of \fBscanward ward\fR; it names the files of users and names. docs/ward.md tells how the server is set up.
.TP
\fI/var/lib/scanward\-ward/ward.sqlite\fR
What the nursing stations' server keeps: findings, pictures, keys, who did what.
.TP
\fI/usr/share/scanward/models/\fR
The model: one manifest (.toml) and the network (.onnx) whose digest it names.
.SH SIGNALS
.TP
\fBSIGTERM\fR, \fBSIGINT\fR
\fBscanward run\fR says goodbye to the broker and ends. What has not been sent yet is sent after the next start.
\fBscanward ward\fR lets open answers end, then ends.
.TP
\fBSIGHUP\fR
\fBscanward run\fR reads its settings again. Settings that are wrong, or that need a restart, leave the old ones in force; the
log says so. \fBscanward ward\fR reads its certificate again.
.SH EXAMPLES
.TP
Is everything as it should be, for the service's own user?
\fBsudo \-u scanward scanward doctor\fR
.TP
What happened to the last series?
\fBjournalctl \-u scanward \-\-since today\fR
.TP
Triage a folder by hand, as the service would:
\fBscanward analyze /srv/export/series1\fR
.TP
The same for another program, with the lesions as a mask:
\fBscanward analyze \-\-json \-\-mask lesions.nii.gz /srv/export/series1\fR
.TP
A patient without a patient, to try the export with:
\fBscanward phantom \-\-out /tmp/phantom \-\-burden 20\fR
.TP
Which model runs, under which licence, and what can be decoded?
\fBscanward \-\-version \-v\fR
.TP
Completions for this shell:
\fBscanward completions bash > /etc/bash_completion.d/scanward\fR
.SH NOTES
scanward assists a physician. It is not a diagnosis. No message at all for a scan that was exported means: read it in the usual
order, and have somebody look at the box.
"#;

/// The whole page: the program, every command with its options, then what is written by hand.
pub(super) fn page(program: &Command) -> io::Result<Vec<u8>> {
    let (name, version) = (
        program.get_name(),
        program.get_version().unwrap_or_default(),
    );
    let whole = Man::new(program.clone().disable_help_subcommand(true));
    let mut page = Vec::new();
    // The empty date keeps the page the same from day to day.
    writeln!(
        page,
        "{APOSTROPHE}\n.TH {} 1 \"\" \"{name} {version}\" \"{name}\"",
        name.to_uppercase()
    )?;
    writeln!(
        page,
        ".SH NAME\n{}",
        body(|text| whole.render_name_section(text))?
    )?;
    writeln!(
        page,
        ".SH SYNOPSIS\n{}",
        body(|text| whole.render_synopsis_section(text))?
    )?;
    writeln!(
        page,
        ".SH DESCRIPTION\n{}",
        body(|text| whole.render_description_section(text))?
    )?;
    writeln!(
        page,
        ".SH OPTIONS\n{}",
        body(|text| whole.render_options_section(text))?
    )?;
    writeln!(page, ".SH COMMANDS")?;
    for command in program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        write_command(&mut page, name, command)?;
    }
    page.extend_from_slice(BY_HAND.as_bytes());
    Ok(page)
}

/// One command: its line, what it does, its options.
fn write_command(page: &mut Vec<u8>, program: &str, command: &Command) -> io::Result<()> {
    let name = format!("{program} {}", command.get_name());
    // What only leads on to others is described by them.
    if command.has_subcommands() {
        let further = command.get_subcommands();
        let mut shown = further.filter(|further| further.get_name() != "help");
        return shown.try_for_each(|further| write_command(page, &name, further));
    }
    // The options that every command has stand in the program's own section.
    let own = command
        .clone()
        .disable_help_flag(true)
        .disable_version_flag(true)
        .bin_name(&name);
    let man = Man::new(own);
    writeln!(
        page,
        ".SS {name}\n{}",
        body(|text| man.render_synopsis_section(text))?
    )?;
    writeln!(
        page,
        ".PP\n{}",
        body(|text| man.render_description_section(text))?
    )?;
    let options = body(|text| man.render_options_section(text))?;
    if !options.is_empty() {
        writeln!(page, "{options}")?;
    }
    Ok(())
}

/// A part without its heading and without the lines on apostrophes that each part comes with.
fn body(render: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut text = Vec::new();
    render(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let left_out = |line: &&str| {
        [".SH ", ".ie ", ".el "]
            .iter()
            .any(|macro_name| line.starts_with(macro_name))
    };
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !left_out(line))
        .map(str::trim_end)
        .collect();
    Ok(lines.join("\n"))
}
