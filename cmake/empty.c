typedef int sc_empty; /* a folder with no sources yet */
