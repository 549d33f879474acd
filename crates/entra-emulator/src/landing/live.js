
'use strict';
(() => {
  const status = document.getElementById('live');
  const parser = new DOMParser();
  const sections = [...document.querySelectorAll('[data-live]')];
  // The HTML as sent, because the browser may have normalized what is shown.
  const sent = new Map(sections.map((section) => [section.id, section.innerHTML]));
  const newest = (root) => Number(root.querySelector('[data-request]')?.dataset.request ?? -1);
  let tag = '';
  let last = newest(document);
  let isLost = false;

  const say = (text) => {
    if (status.textContent !== text) status.textContent = text;
  };

  const show = (fresh) => {
    for (const section of sections) {
      const html = fresh.getElementById(section.id)?.innerHTML;
      if (html !== undefined && html !== sent.get(section.id)) {
        sent.set(section.id, html);
        section.innerHTML = html;
      }
    }
    const rows = [...document.querySelectorAll('[data-request]')];
    const added = rows.filter((row) => Number(row.dataset.request) > last);
    for (const row of added) row.classList.add('new');
    last = newest(document);
    if (added.length > 0) {
      const count = added.length === 1 ? 'A new request: ' : `${added.length} new requests, the last: `;
      say(count + added[0].dataset.said);
    }
  };

  const look = async () => {
    if (!document.hidden) {
      try {
        const headers = tag ? { 'If-None-Match': tag } : {};
        const response = await fetch('/', { cache: 'no-store', headers });
        if (response.status === 200) {
          const html = await response.text();
          tag = response.headers.get('ETag') ?? '';
          show(parser.parseFromString(html, 'text/html'));
        } else if (response.status !== 304) {
          throw new Error();
        }
        if (isLost) say('The emulator responds again.');
        isLost = false;
      } catch {
        isLost = true;
        say('The emulator does not respond. This page shows its last known state.');
      }
    }
    setTimeout(look, isLost ? 3000 : 1000);
  };

  say('This page updates automatically.');
  look();
})();
