//! Drives the server as a client of the hubs would.

#![allow(clippy::unwrap_used)]

mod client;
mod connections;
mod faults;
mod hugging_face;
mod kaggle;
