//! The derives of `engraft-component`; their attributes are listed there.

mod attributes;
mod choice;
mod component;
mod from_node;
mod words;

use proc_macro::TokenStream;

/// Makes a struct a component whose fields are its arguments.
#[proc_macro_derive(Component, attributes(component, arg))]
pub fn derive_component(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    component::expand(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Makes an enum of components a class slot.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    choice::expand(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Makes an enum an argument that is one of a few words.
#[proc_macro_derive(Words, attributes(word))]
pub fn derive_words(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    words::expand(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
