/**
 * Reports the colours of this page's terminals to the server, which answers programs that ask for
 * them: from here an answer would come too late.
 *
 * A terminal has them from the theme, unless its own setting says light or dark; they are reported
 * before any terminal is open, since an agent asks as soon as it starts.
 */

import type { IThemeManager } from '@jupyterlab/apputils';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { request } from '../server/requests';
import type { IStatusStore } from '../status/store';
import { hexColour } from '../text';

const TERMINAL_SETTINGS = '@jupyterlab/terminal-extension:plugin';

interface Colours {
  foreground: string;
  background: string;
}

// As `Private` in `widget.ts` of `@jupyterlab/terminal`, 4.6.
const FIXED: Record<string, Colours> = {
  light: { foreground: '#000000', background: '#ffffff' },
  dark: { foreground: '#ffffff', background: '#000000' }
};

/** Report the colours now and after each change, also to a server that has restarted. */
export async function reportTheme(
  themes: IThemeManager | null,
  registry: ISettingRegistry | null,
  store: IStatusStore
): Promise<void> {
  const settings = await registry?.load(TERMINAL_SETTINGS).catch(() => null);
  let wasConnected = false;
  let last = '';
  const report = (): void => {
    const colours = FIXED[String(settings?.composite.theme)] ?? pageColours();
    if (colours && JSON.stringify(colours) !== last) {
      last = JSON.stringify(colours);
      request('theme', 'POST', colours).catch(() => {
        last = ''; // the next change of the connection tries again
      });
    }
  };
  themes?.themeChanged.connect(report);
  settings?.changed.connect(report);
  store.changed.connect(() => {
    if (store.isConnected && !wasConnected) {
      last = '';
      report();
    }
    wasConnected = store.isConnected;
  });
  report();
}

/** Return the colours that terminals take from the page; null before its theme is loaded. */
function pageColours(): Colours | null {
  const style = getComputedStyle(document.body);
  const foreground = hexColour(style.getPropertyValue('--jp-ui-font-color0'));
  const background = hexColour(style.getPropertyValue('--jp-layout-color0'));
  return foreground && background ? { foreground, background } : null;
}
