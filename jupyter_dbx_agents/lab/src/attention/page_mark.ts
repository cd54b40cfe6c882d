/** The number of agents that need the owner, in the page's title and on its icon. */

const COUNTED = /^\(\d+\) /;

export class PageMark {
  private _count = 0;
  private _icon = document.createElement('link');

  constructor() {
    this._icon.rel = 'icon';
    this._icon.type = 'image/svg+xml';
    this._icon.className = 'jp-DbxAgents-favicon';
    const title = document.querySelector('title');
    if (title) {
      // JupyterLab writes the title when the document in front changes.
      new MutationObserver(() => this._write()).observe(title, { childList: true });
    }
  }

  show(count: number): void {
    this._count = count;
    this._write();
    if (count) {
      this._icon.href = `data:image/svg+xml,${encodeURIComponent(picture(count))}`;
      document.head.append(this._icon); // the last one counts
    } else {
      this._icon.remove();
    }
  }

  private _write(): void {
    const plain = document.title.replace(COUNTED, '');
    const title = this._count ? `(${this._count}) ${plain}` : plain;
    if (title !== document.title) {
      document.title = title;
    }
  }
}

function picture(count: number): string {
  const shown = count > 9 ? '9+' : count;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="#b35900"/><text x="8" y="12" text-anchor="middle" font-family="sans-serif" font-weight="bold" font-size="11" fill="#fff">${shown}</text></svg>`;
}
