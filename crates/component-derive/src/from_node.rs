//! `FromNode`, which all derives implement.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

/// `FromNode` by three expressions: the value read of `node` with `cx`, the node of `self`, and the kind.
pub(crate) fn from_node_impl(
    ident: &Ident,
    decode: &TokenStream,
    encode: &TokenStream,
    kind: &TokenStream,
) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::engraft_component::FromNode for #ident {
            fn from_node(
                node: &::engraft_component::Node,
                cx: &mut ::engraft_component::Context,
            ) -> ::core::result::Result<Self, ::engraft_component::Refusal> {
                #decode
            }

            fn to_node(&self) -> ::engraft_component::Node {
                #encode
            }

            fn kind() -> ::engraft_component::Kind {
                #kind
            }
        }
    }
}
