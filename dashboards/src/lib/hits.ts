/**
 * Found words are painted with the CSS Custom Highlight API: no nodes are added, what is copied stays clean.
 * Browsers without it show the text unmarked.
 */

const SHOWN_MOST = 5000;

export function markHits(root: HTMLElement, words: readonly string[]): void {
  if (!('highlights' in CSS)) return;
  const wanted = words.map((word) => word.toLowerCase()).filter(Boolean);
  if (!wanted.length) {
    CSS.highlights.delete('hit');
    return;
  }
  const highlight = new Highlight();
  let left = SHOWN_MOST;
  for (const element of root.querySelectorAll('[data-hits]')) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && left > 0; node = walker.nextNode()) {
      const where = (node.nodeValue ?? '').toLowerCase();
      // Lower case may change the length of rare letters; then offsets would be wrong.
      if (where.length !== node.nodeValue?.length) continue;
      for (const word of wanted) {
        for (let at = where.indexOf(word); at >= 0 && left > 0; at = where.indexOf(word, at + word.length)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + word.length);
          highlight.add(range);
          left--;
        }
      }
    }
  }
  CSS.highlights.set('hit', highlight);
}
