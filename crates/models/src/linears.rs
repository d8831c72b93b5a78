//! A walk over the linear layers of a module, to look at them or to change them.

/// The linear layers of a module that LoRA may adapt, with their paths in it, in the order of its fields.
///
/// It is there for `&Module`, which gives `&Linear`, and for `&mut Module`, which gives `&mut Linear`.
pub(crate) trait Linears<Borrowed> {
    /// The layers.
    fn linears(self) -> Vec<(String, Borrowed)>;
}

/// Declares the walk for both kinds of borrowing: the body is the same, as patterns borrow what they take apart as the whole is borrowed.
macro_rules! walk {
    ($module:ty: |$this:ident, $found:ident| $body:block) => {
        walk!(@ &'a $module, &'a Linear, $this, $found, $body);
        walk!(@ &'a mut $module, &'a mut Linear, $this, $found, $body);
    };
    (@ $module:ty, $linear:ty, $this:ident, $found:ident, $body:block) => {
        // `iter` or `iter_mut`, whichever it is.
        #[allow(clippy::into_iter_on_ref)]
        impl<'a> $crate::linears::Linears<$linear> for $module {
            fn linears(self) -> Vec<(String, $linear)> {
                let $this = self;
                let mut $found: Vec<(String, $linear)> = Vec::new();
                $body
                $found
            }
        }
    };
}

pub(crate) use walk;

/// The same layers, with `prefix.` before their paths.
pub(crate) fn under<L>(
    prefix: impl std::fmt::Display,
    linears: Vec<(String, L)>,
) -> impl Iterator<Item = (String, L)> {
    let named = linears.into_iter();
    named.map(move |(path, linear)| (format!("{prefix}.{path}"), linear))
}
