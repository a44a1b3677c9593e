#include "CPowerInferPage.h"

// C23's, which this compiler also takes in older C.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wc23-extensions"
#endif

#define FILE_BYTES(name) static const unsigned char name[]

FILE_BYTES(index_html) = {
#embed "Files/index.html"
};
FILE_BYTES(style_css) = {
#embed "Files/style.css"
};
FILE_BYTES(icon_svg) = {
#embed "Files/icon.svg"
};
FILE_BYTES(main_js) = {
#embed "Files/main.js"
};
FILE_BYTES(store_js) = {
#embed "Files/store.js"
};
FILE_BYTES(tree_js) = {
#embed "Files/tree.js"
};
FILE_BYTES(api_js) = {
#embed "Files/api.js"
};
FILE_BYTES(markdown_js) = {
#embed "Files/markdown.js"
};
FILE_BYTES(highlight_js) = {
#embed "Files/highlight.js"
};
FILE_BYTES(messages_js) = {
#embed "Files/messages.js"
};
FILE_BYTES(sidebar_js) = {
#embed "Files/sidebar.js"
};
FILE_BYTES(settings_js) = {
#embed "Files/settings.js"
};
FILE_BYTES(dom_js) = {
#embed "Files/dom.js"
};
FILE_BYTES(alignment_js) = {
#embed "Files/alignment.js"
};
FILE_BYTES(neurons_js) = {
#embed "Files/neurons.js"
};

#define SCRIPT "text/javascript; charset=utf-8"
#define ENTRY(name, type, bytes) {name, type, bytes, sizeof(bytes)}

static const pi_page_file files[] = {
    ENTRY("index.html", "text/html; charset=utf-8", index_html),
    ENTRY("style.css", "text/css; charset=utf-8", style_css),
    ENTRY("icon.svg", "image/svg+xml", icon_svg),
    ENTRY("main.js", SCRIPT, main_js),
    ENTRY("store.js", SCRIPT, store_js),
    ENTRY("tree.js", SCRIPT, tree_js),
    ENTRY("api.js", SCRIPT, api_js),
    ENTRY("markdown.js", SCRIPT, markdown_js),
    ENTRY("highlight.js", SCRIPT, highlight_js),
    ENTRY("messages.js", SCRIPT, messages_js),
    ENTRY("sidebar.js", SCRIPT, sidebar_js),
    ENTRY("settings.js", SCRIPT, settings_js),
    ENTRY("dom.js", SCRIPT, dom_js),
    ENTRY("alignment.js", SCRIPT, alignment_js),
    ENTRY("neurons.js", SCRIPT, neurons_js),
};

size_t pi_page_file_count(void) { return sizeof(files) / sizeof(files[0]); }

const pi_page_file *pi_page_file_at(size_t index) { return &files[index]; }
