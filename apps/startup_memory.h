#pragma once

namespace tq::app {

// Gives back what starting up left in memory and no token comes to: pages of code that ran once, of this
// program and of its libraries (options, a library of cryptography that the HTTP library brings along), and
// freed heap. Code that runs again is read from the page cache again. Nothing happens outside Linux.
void release_startup_memory();

}  // namespace tq::app
