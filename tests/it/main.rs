//! What the parts do together, over the real thing: files, databases, sockets, processes.

mod sqlite_store;
