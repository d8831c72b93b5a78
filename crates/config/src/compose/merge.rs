//! How a later value meets an earlier one.

use engraft_component::{Context, Entry, Mapping, Node, Note, Refusal, Value};

use super::class::{Class, Shape, is_wrapper, joined};

/// The key that says where a run goes on. A run that is saved holds it as null, which says nothing about another run.
const CHECKPOINT: &str = "ckpt_path";

/// Merges a file into the root.
pub(super) fn root(
    root: &mut Mapping,
    file: Mapping,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    for entry in file {
        let is_given = root.get(CHECKPOINT).is_some_and(|given| !given.is_null());
        if entry.key == CHECKPOINT && entry.value.is_null() && is_given {
            continue;
        }
        if entry.key == "trainer" {
            trainer(root, entry, notes)?;
        } else {
            put(root, entry, "", notes)?;
        }
    }
    Ok(())
}

/// Merges the trainer's keys one by one.
pub(super) fn trainer(
    root: &mut Mapping,
    entry: Entry,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    if entry.value.as_map().is_none() {
        return put(root, entry, "", notes);
    }
    let mut trainer = match root.get_mut("trainer").map(|trainer| &mut trainer.value) {
        Some(Value::Map(trainer)) => std::mem::take(trainer),
        _ => Mapping::default(),
    };
    let place = entry.value.span.clone();
    if let Value::Map(settings) = entry.value.value {
        for mut setting in settings {
            if setting.key == "callbacks" {
                setting.value = listed(setting.value);
            }
            put(&mut trainer, setting, "trainer", notes)?;
        }
    }
    let value = Node::at(&place, Value::Map(trainer));
    root.insert(Entry { value, ..entry });
    Ok(())
}

/// One callback as a list of one, so that it replaces and is replaced as a list is.
pub(super) fn listed(node: Node) -> Node {
    match Shape::of(&node) {
        Shape::Name | Shape::Class | Shape::Mapping => items(node),
        Shape::List | Shape::Other => node,
    }
}

/// A value as a list; null is an empty one.
fn items(node: Node) -> Node {
    let span = node.span.clone();
    match node.value {
        Value::List(_) => node,
        _ if node.is_null() => Node::at(&span, Value::List(Vec::new())),
        _ => Node::at(&span, Value::List(vec![node])),
    }
}

/// Sets one key; `key+` appends to the list that is there.
pub(super) fn put(
    mapping: &mut Mapping,
    mut entry: Entry,
    path: &str,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    let appended = entry
        .key
        .strip_suffix('+')
        .filter(|key| !key.is_empty())
        .map(str::to_owned);
    let appends = appended.is_some();
    if let Some(key) = appended {
        entry.key = key;
    }
    let path = joined(path, &entry.key);
    match mapping.entry_mut(&entry.key) {
        Some(old) => {
            old.span = entry.span;
            old.inherited = entry.inherited;
            if appends {
                append(&mut old.value, settled(entry.value, &path, notes)?);
                return Ok(());
            }
            slot(&mut old.value, entry.value, &path, notes)
        }
        None => {
            entry.value = settled(entry.value, &path, notes)?;
            if appends {
                entry.value = items(entry.value);
            }
            mapping.insert(entry);
            Ok(())
        }
    }
}

/// Adds the items of `new` to `old`.
pub(super) fn append(old: &mut Node, new: Node) {
    let span = new.span.clone();
    let earlier = items(std::mem::replace(old, Node::null()));
    if let (Value::List(mut all), Value::List(more)) = (earlier.value, items(new).value) {
        all.extend(more);
        *old = Node::at(&span, Value::List(all));
    }
}

/// A value that meets no earlier one: the `key+` inside its classes become plain keys.
pub(super) fn settled(node: Node, path: &str, notes: &mut Vec<Note>) -> Result<Node, Refusal> {
    let is_class = Shape::of(&node) == Shape::Class;
    let value = match node.value {
        Value::Map(mut class) if is_class => {
            for part in class.iter_mut().filter(|part| is_wrapper(&part.key)) {
                let path = joined(path, &part.key);
                if let Value::Map(arguments) = &mut part.value.value {
                    for argument in std::mem::take(arguments) {
                        put(arguments, argument, &path, notes)?;
                    }
                }
            }
            Value::Map(class)
        }
        Value::List(items) => {
            let items: Result<Vec<Node>, Refusal> = items
                .into_iter()
                .map(|item| settled(item, path, notes))
                .collect();
            Value::List(items?)
        }
        other => other,
    };
    Ok(Node {
        span: node.span,
        value,
    })
}

/// Lets a later value meet an earlier one at the same key.
pub(super) fn slot(
    old: &mut Node,
    new: Node,
    path: &str,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    let merges = match (Shape::of(old), Shape::of(&new)) {
        (Shape::Name | Shape::Class | Shape::Mapping, Shape::Class) => true,
        (Shape::Name | Shape::Class, Shape::Mapping) => true,
        (Shape::Class, Shape::Name) => true,
        // Arguments whose class comes only now.
        (Shape::Mapping, Shape::Name) => {
            old.as_map().is_some_and(|arguments| !arguments.is_empty())
        }
        _ => false,
    };
    if !merges {
        note_replaced_classes(old, &new, path, notes);
        note_taken_back(old, &new, path, notes);
        *old = settled(new, path, notes)?;
        return Ok(());
    }
    let was_name = Shape::of(old) == Shape::Name;
    let mut class = Class::read(std::mem::replace(old, Node::null()), path)?;
    if was_name {
        // That a name became a mapping is the later value's doing.
        class.span = new.span.clone();
    }
    let arguments = class.absorb(Class::read(new, path)?);
    let path = joined(path, "init_args");
    for argument in arguments {
        put(&mut class.arguments, argument, &path, notes)?;
    }
    *old = class.write(Shape::Class);
    Ok(())
}

/// Says that a file takes back what one before it gives: files of saved runs hold a null for all that was not given.
fn note_taken_back(old: &Node, new: &Node, path: &str, notes: &mut Vec<Note>) {
    if new.is_null() && !old.is_null() && new.span.option_key().is_none() {
        let mut cx = Context::at(path);
        let place = &old.span;
        cx.note_at(
            &new.span,
            &format!("null takes back what {place} gives; leave the key out to keep it"),
        );
        notes.extend(cx.into_notes());
    }
}

/// Says that a list of classes is replaced, which surprises those who meant to add to it.
fn note_replaced_classes(old: &Node, new: &Node, path: &str, notes: &mut Vec<Note>) {
    let (Some(before), Some(_)) = (old.as_list(), new.as_list()) else {
        return;
    };
    if before.iter().any(|item| Shape::of(item) == Shape::Class) {
        let (count, place) = (before.len(), &old.span);
        let mut cx = Context::at(path);
        cx.note_at(
            &new.span,
            &format!("replaces the {count} given at {place}; write {path}+ to add to them"),
        );
        notes.extend(cx.into_notes());
    }
}
