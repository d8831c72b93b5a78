//! YAML text to nodes with places.
//!
//! Hostile input is refused early: aliases may not multiply the text beyond a fixed number of values, nesting is bounded,
//! and no tag makes anything but plain data.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::text::{line_number, syntax_error, text};

use crate::node::{Entry, Mapping, Node, Scalar, Style, Value, quote};
use crate::refusal::{Mistake, Refusal, Span};
use crate::suggest::nearest;

/// Values in one document, those repeated by aliases included.
const MOST_NODES: usize = 1_000_000;
/// Lists and mappings inside each other.
const DEEPEST: usize = 128;
/// Keys of one mapping, which are searched one by one.
const MOST_KEYS: usize = 10_000;
/// Bytes of one file.
const LARGEST: u64 = 64 << 20;

/// Reads the one YAML document in a file.
///
/// # Errors
/// The file cannot be read, or as [`read_yaml`].
pub fn read_yaml_file(path: &Path) -> Result<Node, Refusal> {
    let source = path.to_string_lossy();
    let unreadable = |error: std::io::Error| {
        let span = Span::source(source.as_ref());
        if error.kind() != std::io::ErrorKind::NotFound {
            return Refusal::new(&span, "", format!("cannot be read: {error}"));
        }
        let mut error = Refusal::new(&span, "", "there is no such file");
        error.help = nearest_file(path).map(|near| format!("Did you mean \"{near}\"?"));
        error
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        let span = Span::source(source.as_ref());
        return Err(Refusal::new(
            &span,
            "",
            format!(
                "larger than {} MiB, which no experiment file is",
                LARGEST >> 20
            ),
        ));
    }
    read_yaml(&bytes, &source)
}

/// The YAML file beside a path that is not there whose name is nearest to it.
fn nearest_file(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    let near = folder.map_or_else(|| near.into(), |folder| folder.join(near));
    Some(near.display().to_string())
}

/// Reads the one YAML document in `bytes`; `source` is what errors call it.
///
/// # Errors
/// No document, more than one, bytes that are not text, a syntax error, a key given twice, a tag that stands for more than
/// plain data, or a document that is too large or too deep. Each names its line.
pub fn read_yaml(bytes: &[u8], source: &str) -> Result<Node, Refusal> {
    let source: Arc<str> = Arc::from(source);
    let text = text(bytes, &source)?;
    let mut reader = Reader {
        source: Arc::clone(&source),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax_error(text, &error, &source))?;
        reader.event(event, span.start.line())?;
    }
    reader.root.ok_or_else(|| {
        let empty = "empty, there is no YAML in it";
        Refusal::new(&Span::source(source), "", empty).of_kind(Mistake::EmptyFile)
    })
}

/// A finished value, with what it costs to repeat it.
#[derive(Clone)]
struct Finished {
    node: Node,
    nodes: usize,
    depth: usize,
}

/// A list or mapping whose end has not been seen.
struct Open {
    anchor: usize,
    span: Span,
    nodes: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        mapping: Mapping,
        lines: HashMap<String, Option<u32>>,
        key: Option<Key>,
        merged: Vec<Node>,
    },
}

struct Key {
    text: String,
    span: Span,
    is_merge: bool,
}

struct Reader {
    source: Arc<str>,
    open: Vec<Open>,
    anchors: HashMap<usize, Finished>,
    nodes: usize,
    root: Option<Node>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), Refusal> {
        let span = Span::line(&self.source, line_number(line));
        self.count(1, &span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = scalar_style(style, tag.as_deref(), &span)?;
                let scalar = Scalar {
                    text: text.into_owned(),
                    style,
                };
                self.scalar(scalar, anchor, span)
            }
            Event::SequenceStart(anchor, tag) => {
                plain_tag(tag.as_deref(), "seq", &span)?;
                self.begin(anchor, span, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                plain_tag(tag.as_deref(), "map", &span)?;
                let content = Content::Map {
                    mapping: Mapping::default(),
                    lines: HashMap::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(anchor, span, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(mut finished) => {
                    self.count(finished.nodes, &span)?;
                    finished.node.span = span;
                    self.finish(0, finished)
                }
                None => Err(Refusal::new(
                    &span,
                    "",
                    "an alias refers to the value it is part of. Write the value out",
                )),
            },
            Event::DocumentStart(_) if self.root.is_some() => Err(Refusal::new(
                &span,
                "",
                "a second YAML document begins here. Put one document in a file",
            )),
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, scalar: Scalar, anchor: usize, mut span: Span) -> Result<(), Refusal> {
        if let Some(Open {
            content: Content::Map { key, .. },
            ..
        }) = self.open.last_mut()
        {
            match key {
                None => {
                    if scalar.text.is_empty() {
                        return Err(Refusal::new(&span, "", "a key is empty"));
                    }
                    let is_merge = scalar.style == Style::Plain && scalar.text == "<<";
                    *key = Some(Key {
                        text: scalar.text,
                        span,
                        is_merge,
                    });
                    return Ok(());
                }
                // The scanner places an empty value where the next token is.
                Some(key) if scalar.text.is_empty() && scalar.style == Style::Plain => {
                    span = key.span.clone()
                }
                Some(_) => {}
            }
        }
        let node = Node::at(&span, Value::Scalar(scalar));
        self.finish(
            anchor,
            Finished {
                node,
                nodes: 1,
                depth: 0,
            },
        )
    }

    fn begin(&mut self, anchor: usize, span: Span, content: Content) -> Result<(), Refusal> {
        if let Some(Open {
            content: Content::Map { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err(Refusal::new(
                &span,
                "",
                "a key is a list or a mapping. Keys must be text",
            ));
        }
        if self.open.len() >= DEEPEST {
            return Err(too_deep(&span));
        }
        self.open.push(Open {
            anchor,
            span,
            nodes: 1,
            depth: 0,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map {
                mut mapping,
                merged,
                ..
            } => {
                for node in merged {
                    merge(&mut mapping, node)?;
                }
                Value::Map(mapping)
            }
        };
        let node = Node::at(&open.span, value);
        let (nodes, depth) = (open.nodes, open.depth + 1);
        self.finish(open.anchor, Finished { node, nodes, depth })
    }

    /// Counts values read, and those copied for an anchor or an alias.
    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), Refusal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            let message =
                format!("more than {MOST_NODES} values, those behind aliases counted each time");
            return Err(Refusal::new(span, "", message));
        }
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, anchor: usize, finished: Finished) -> Result<(), Refusal> {
        let span = finished.node.span.clone();
        if self.open.len() + finished.depth > DEEPEST {
            return Err(too_deep(&span));
        }
        if anchor != 0 {
            self.count(finished.nodes, &span)?;
            self.anchors.insert(anchor, finished.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(finished.node);
            return Ok(());
        };
        open.nodes = open.nodes.saturating_add(finished.nodes);
        open.depth = open.depth.max(finished.depth);
        match &mut open.content {
            Content::List(items) => items.push(finished.node),
            Content::Map {
                mapping,
                lines,
                key,
                merged,
            } => match key.take() {
                None => {
                    return Err(Refusal::new(
                        &span,
                        "",
                        "a key is an alias. Write the key out",
                    ));
                }
                Some(key) if key.is_merge => merged.push(finished.node),
                Some(key) => {
                    if let Some(first) = lines.insert(key.text.clone(), key.span.line) {
                        let message = match first {
                            Some(line) => format!(
                                "key {} given twice, first on line {line}",
                                quote(&key.text)
                            ),
                            None => format!("key {} given twice", quote(&key.text)),
                        };
                        return Err(Refusal::new(&key.span, "", message).help("Keep one of them"));
                    }
                    room(mapping, &key.span)?;
                    mapping.push(Entry {
                        key: key.text,
                        span: key.span,
                        value: finished.node,
                        inherited: false,
                    });
                }
            },
        }
        Ok(())
    }
}

/// Refuses one key too many.
fn room(mapping: &Mapping, span: &Span) -> Result<(), Refusal> {
    if mapping.len() < MOST_KEYS {
        return Ok(());
    }
    Err(Refusal::new(
        span,
        "",
        format!("a mapping of more than {MOST_KEYS} keys"),
    ))
}

fn too_deep(span: &Span) -> Refusal {
    Refusal::new(span, "", format!("nested more than {DEEPEST} levels deep"))
}

/// Adds what `<<` refers to; keys already there win.
fn merge(mapping: &mut Mapping, node: Node) -> Result<(), Refusal> {
    match node.value {
        Value::Map(other) => {
            for entry in other {
                if !mapping.contains(&entry.key) {
                    room(mapping, &entry.span)?;
                    mapping.push(entry);
                }
            }
            Ok(())
        }
        Value::List(nodes) if nodes.iter().all(|node| node.as_map().is_some()) => {
            nodes.into_iter().try_for_each(|node| merge(mapping, node))
        }
        _ => Err(Refusal::new(
            &node.span,
            "",
            "\"<<\" takes a mapping or a list of mappings",
        )),
    }
}

/// The name of a standard tag such as `!!str`.
fn standard(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        Some(&tag.suffix)
    } else {
        None
    }
}

fn unknown_tag(tag: &Tag, span: &Span) -> Refusal {
    let text = match standard(tag) {
        Some(name) => format!("!!{name}"),
        None => tag.to_string(),
    };
    Refusal::new(
        span,
        "",
        format!(
            "the tag {} is not supported. Only plain values are",
            quote(&text)
        ),
    )
}

fn scalar_style(style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Style, Refusal> {
    let written = if style == ScalarStyle::Plain {
        Style::Plain
    } else {
        Style::Quoted
    };
    match tag {
        None => Ok(written),
        Some(tag) => match standard(tag) {
            Some("str") => Ok(Style::Quoted),
            Some("int" | "float" | "bool" | "null") => Ok(written),
            None if tag.handle.is_empty() && tag.suffix == "!" => Ok(Style::Quoted),
            _ => Err(unknown_tag(tag, span)),
        },
    }
}

fn plain_tag(tag: Option<&Tag>, name: &str, span: &Span) -> Result<(), Refusal> {
    match tag {
        Some(tag) if standard(tag) != Some(name) => Err(unknown_tag(tag, span)),
        _ => Ok(()),
    }
}
