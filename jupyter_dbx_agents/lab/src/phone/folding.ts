/** Folds JupyterLab's side bars while the window is narrow: they take 70 % of a phone's. */

import type { ILabShell } from '@jupyterlab/application';

interface SideBar {
  isFolded(): boolean;
  fold(): void;
  unfold(): void;
}

/** Fold both side bars whenever the window becomes narrow; what was open opens again with it. */
export function foldSideBars(shell: ILabShell, narrow: MediaQueryList): void {
  const sides: SideBar[] = [
    {
      isFolded: () => shell.leftCollapsed,
      fold: () => shell.collapseLeft(),
      unfold: () => shell.expandLeft()
    },
    {
      isFolded: () => shell.rightCollapsed,
      fold: () => shell.collapseRight(),
      unfold: () => shell.expandRight()
    }
  ];
  const folded = new Set<SideBar>();
  const follow = (): void => {
    for (const side of sides) {
      if (narrow.matches && !side.isFolded()) {
        side.fold();
        folded.add(side);
      } else if (!narrow.matches && folded.delete(side)) {
        side.unfold();
      }
    }
  };
  // Whoever unfolds one in a narrow window has decided; it stays as it is left.
  shell.layoutModified.connect(() => {
    for (const side of [...folded].filter(side => !side.isFolded())) {
      folded.delete(side);
    }
  });
  narrow.addEventListener('change', follow);
  follow();
}
