/** The files of the home that the owner names, to be kept beside conversations and history. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Button } from '../widgets/parts';

interface Props {
  names: string[];
  /** Replace the list; call `then` once the server has it. */
  onChange: (names: string[], then?: () => void) => void;
  trans: TranslationBundle;
}

/** Folded until it is asked for: few name any. */
export function Dotfiles({ names, onChange, trans }: Props): React.ReactElement {
  const [name, setName] = React.useState('');
  const add = (event: React.FormEvent): void => {
    event.preventDefault();
    if (name.trim()) {
      onChange([...names, name.trim()], () => setName(''));
    }
  };
  return (
    <details>
      <summary>{trans.__('Keep more files…')}</summary>
      <ul>
        {names.map(each => (
          <li key={each} className="jp-DbxAgents-line">
            <code className="jp-DbxAgents-grow">{each}</code>
            <Button
              label={trans.__('Remove')}
              name={trans.__('Do not keep %1', each)}
              onClick={() => onChange(names.filter(other => other !== each))}
            />
          </li>
        ))}
      </ul>
      <form onSubmit={add} className="jp-DbxAgents-line">
        <input
          className="jp-mod-styled jp-DbxAgents-grow"
          aria-label={trans.__('File in the home folder')}
          placeholder={trans.__('such as .vimrc')}
          value={name}
          onChange={event => setName(event.target.value)}
        />
        <button type="submit" className="jp-mod-styled">
          {trans.__('Keep')}
        </button>
      </form>
    </details>
  );
}
