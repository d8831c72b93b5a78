//! What is written in `#[component(..)]`, `#[arg(..)]`, `#[choice(..)]`, `#[word(..)]` and doc comments.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta};

/// `#[component(..)]`.
#[derive(Default)]
pub(crate) struct ComponentAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) ignored: Vec<(String, LitStr)>,
    pub(crate) no_default: bool,
}

impl ComponentAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        each(attributes, "component", |meta| {
            if meta.path.is_ident("name") {
                read.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("alias") {
                read.aliases.push(meta.value()?.parse()?);
            } else if meta.path.is_ident("no_default") {
                read.no_default = true;
            } else if meta.path.is_ident("ignored") {
                read.ignored.extend(reasons(&meta)?);
            } else {
                return Err(meta.error("expected name, alias, ignored or no_default"));
            }
            Ok(())
        })?;
        Ok(read)
    }
}

/// `#[arg(..)]`.
#[derive(Default)]
pub(crate) struct ArgAttributes {
    pub(crate) default: Option<ArgDefault>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) flatten: bool,
    pub(crate) name_slot: bool,
}

/// Where a default comes from.
pub(crate) enum ArgDefault {
    /// The type's own `Default`.
    Type,
    /// An expression of the field's type.
    Value(Expr),
}

impl ArgAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        each(attributes, "arg", |meta| {
            if meta.path.is_ident("default") {
                read.default = Some(match meta.value() {
                    Ok(value) => ArgDefault::Value(value.parse()?),
                    Err(_) => ArgDefault::Type,
                });
            } else if meta.path.is_ident("alias") {
                read.aliases.push(meta.value()?.parse()?);
            } else if meta.path.is_ident("flatten") {
                read.flatten = true;
            } else if meta.path.is_ident("name_slot") {
                read.name_slot = true;
            } else {
                return Err(meta.error("expected default, alias, flatten or name_slot"));
            }
            Ok(())
        })?;
        Ok(read)
    }
}

/// `#[choice(..)]`.
#[derive(Default)]
pub(crate) struct ChoiceAttributes {
    pub(crate) default: Option<Ident>,
    pub(crate) otherwise: Option<Ident>,
    pub(crate) kind: Option<LitStr>,
    pub(crate) absent: Vec<(String, LitStr)>,
    pub(crate) ready_made: Option<Expr>,
    pub(crate) no_default: bool,
}

impl ChoiceAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        each(attributes, "choice", |meta| {
            if meta.path.is_ident("default") {
                read.default = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("otherwise") {
                read.otherwise = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("kind") {
                read.kind = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("absent") {
                read.absent.extend(reasons(&meta)?);
            } else if meta.path.is_ident("ready_made") {
                read.ready_made = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("no_default") {
                read.no_default = true;
            } else {
                return Err(meta
                    .error("expected default, otherwise, kind, absent, ready_made or no_default"));
            }
            Ok(())
        })?;
        Ok(read)
    }
}

/// `#[word(..)]`.
#[derive(Default)]
pub(crate) struct WordAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
}

impl WordAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        each(attributes, "word", |meta| {
            if meta.path.is_ident("name") {
                read.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("alias") {
                read.aliases.push(meta.value()?.parse()?);
            } else {
                return Err(meta.error("expected name or alias"));
            }
            Ok(())
        })?;
        Ok(read)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.aliases.is_empty()
    }
}

/// `LrScheduler` as `lr scheduler`, with `between` the words.
pub(crate) fn in_words(ident: &Ident, between: char) -> String {
    let mut words = String::new();
    let name = ident.to_string();
    let mut after_lower = false;
    for char in name.chars() {
        if char.is_uppercase() && after_lower {
            words.push(between);
        }
        after_lower = char.is_lowercase();
        words.extend(char.to_lowercase());
    }
    words
}

/// Reads what stands in the parentheses of every `#[name(..)]`.
fn each(
    attributes: &[Attribute],
    name: &str,
    mut read: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    let mut named = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(name));
    named.try_for_each(|attribute| attribute.parse_nested_meta(&mut read))
}

/// Names with a text each: `(name = "text", other = "text")`.
fn reasons(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<(String, LitStr)>> {
    let mut reasons = Vec::new();
    meta.parse_nested_meta(|key| {
        let name = key.path.require_ident()?.to_string();
        let name = name.strip_prefix("r#").unwrap_or(&name).to_owned();
        reasons.push((name, key.value()?.parse()?));
        Ok(())
    })?;
    Ok(reasons)
}

/// A doc comment: its whole text, and its first paragraph on one line.
pub(crate) struct Doc {
    pub(crate) text: String,
    pub(crate) summary: String,
}

impl Doc {
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
        let summary: Vec<&str> = lines
            .iter()
            .map(|line| line.trim())
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty())
            .collect();
        Self {
            text: lines.join("\n").trim().to_owned(),
            summary: summary.join(" "),
        }
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => {
                let text = text.value();
                Some(text.strip_prefix(' ').unwrap_or(&text).to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}
