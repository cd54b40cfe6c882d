/** Folds JupyterLab's side bars while the window is narrow: they take 70 % of a phone's. */

import type { ILabShell } from '@jupyterlab/application';

interface SideBar {
  isFolded(): boolean;
  fold(): void;
  unfold(): void;
}

/** Fold both side bars whenever the window becomes narrow; what was open opens again with it. */
export function foldSideBars(shell: ILabShell, narrow: MediaQueryList): void {
  saveAsWide(shell, narrow);
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

/**
 * Save the side bars as they were while the window was wide: a desktop may open the layout next.
 *
 * JupyterLab's plug-in for layouts saves what this method returns; it has no other place for that.
 */
function saveAsWide(shell: ILabShell, narrow: MediaQueryList): void {
  const save = shell.saveLayout.bind(shell);
  let { leftArea, rightArea, relativeSizes } = save();
  // In a window that is narrow from the start, the sizes are no longer those that were saved.
  void shell.restored.then(layout => {
    relativeSizes = narrow.matches ? layout.relativeSizes : relativeSizes;
  });
  shell.saveLayout = () => {
    const layout = save();
    if (!narrow.matches) {
      ({ leftArea, rightArea, relativeSizes } = layout);
      return layout;
    }
    return {
      ...layout,
      leftArea: asBefore(layout.leftArea, leftArea),
      rightArea: asBefore(layout.rightArea, rightArea),
      relativeSizes
    };
  };
}

type SideArea = ILabShell.ISideArea | null;

/** Return a side with what was open in it before; its widgets are those of now. */
function asBefore(now: SideArea, before: SideArea): SideArea {
  if (!now || !before) {
    return now;
  }
  const { collapsed, currentWidget } = before;
  return { ...now, collapsed, currentWidget };
}
