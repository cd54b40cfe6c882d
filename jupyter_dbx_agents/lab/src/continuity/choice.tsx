/** The dialog to choose what comes back. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Offer } from '../status/model';
import { byteText } from '../text';
import { nameDialog } from '../widgets/dialogs';

/** The names of what comes back, by kind. */
export type Choice = Record<Kind, string[]>;

type Kind = 'projects' | 'files' | 'terminals';

interface Group {
  kind: Kind;
  title: string;
  items: { name: string; title: string }[];
}

/** Return what the owner chose, null if they cancelled. */
export async function chosen(offer: Offer, trans: TranslationBundle): Promise<Choice | null> {
  const title = trans.__('Continue where you were');
  const dialog = new Dialog({
    title,
    body: new ChoiceForm(groupsOf(offer, trans), trans),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Continue') })]
  });
  nameDialog(dialog, title);
  const { button, value } = await dialog.launch();
  return button.accept ? value : null;
}

function groupsOf(offer: Offer, trans: TranslationBundle): Group[] {
  const { projects, parts = [], terminals = [] } = offer;
  const same = (name: string) => ({ name, title: name });
  const files = parts.map(({ name, title, bytes }) => ({
    name,
    title: `${title} (${byteText(bytes)})`
  }));
  const groups: Group[] = [
    { kind: 'projects', title: trans.__('Projects'), items: projects.map(same) },
    { kind: 'files', title: trans.__('Conversations and history'), items: files },
    { kind: 'terminals', title: trans.__('Terminals'), items: terminals.map(same) }
  ];
  return groups.filter(group => group.items.length);
}

/** A check box for each thing that is kept; all are checked at first. */
class ChoiceForm extends ReactWidget implements Dialog.IBodyWidget<Choice> {
  private _left = new Set<string>();

  constructor(
    private _groups: Group[],
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-DbxAgents-choice');
  }

  getValue(): Choice {
    const choice: Choice = { projects: [], files: [], terminals: [] };
    for (const { kind, items } of this._groups) {
      const names = items.map(item => item.name);
      choice[kind] = names.filter(name => !this._left.has(`${kind} ${name}`));
    }
    return choice;
  }

  protected render(): React.ReactElement {
    return (
      <>
        {this._groups.map(({ kind, title, items }) => (
          <fieldset key={kind}>
            <legend>{title}</legend>
            {items.map(item => (
              <label key={item.name}>
                <input
                  type="checkbox"
                  defaultChecked
                  onChange={event => this._set(`${kind} ${item.name}`, event.target.checked)}
                />
                {item.title}
              </label>
            ))}
          </fieldset>
        ))}
        <p>
          {this._trans.__('Anything you leave out stays saved; you can restore it from the panel.')}
        </p>
      </>
    );
  }

  private _set(key: string, isChosen: boolean): void {
    if (isChosen) {
      this._left.delete(key);
    } else {
      this._left.add(key);
    }
  }
}
