//! Fulfilments, and the partners they call.

mod fulfilment;
mod hostile_partners;
mod import;
mod partner_adapter;
mod partners;
mod storm;
