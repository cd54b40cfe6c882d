/** The agents' conversations, those of former starts included: search one, and resume it. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { type Conversation, type Status, titleOf } from '../status/model';
import type { IStatusStore } from '../status/store';
import { Button, Section } from '../widgets/parts';
import type { KeptActions } from './actions';

// A screenful: who looks for an older one searches, or asks for more.
const SHOWN = 10;

interface Props {
  store: IStatusStore;
  kept: KeptActions;
  trans: TranslationBundle;
}

/** Read when they are asked for: every reading opens files, and the status comes each second. */
export function Conversations({ store, kept, trans }: Props): React.ReactElement | null {
  const [found, setFound] = React.useState<Conversation[] | null>(null);
  if (!store.status.continuity) {
    return null;
  }
  return (
    <Section title={trans.__('Conversations')}>
      {found ? (
        <>
          <Search onSearch={text => kept.findConversations(text, setFound)} trans={trans} />
          <List status={store.status} found={found} kept={kept} trans={trans} />
        </>
      ) : (
        <Button
          label={trans.__('Show conversations')}
          onClick={() => kept.findConversations('', setFound)}
        />
      )}
    </Section>
  );
}

function Search(props: {
  onSearch: (text: string) => void;
  trans: TranslationBundle;
}): React.ReactElement {
  const { onSearch, trans } = props;
  const [text, setText] = React.useState('');
  const search = (event: React.FormEvent): void => {
    event.preventDefault();
    onSearch(text.trim());
  };
  return (
    <form onSubmit={search} className="jp-DbxAgents-line">
      <input
        type="search"
        className="jp-mod-styled jp-DbxAgents-grow"
        aria-label={trans.__('Words in conversations')}
        placeholder={trans.__('Words that were said')}
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <button type="submit" className="jp-mod-styled">
        {trans.__('Search')}
      </button>
    </form>
  );
}

interface ListProps extends Pick<Props, 'kept' | 'trans'> {
  status: Status;
  found: Conversation[];
}

function List({ status, found, kept, trans }: ListProps): React.ReactElement {
  const [most, setMost] = React.useState(SHOWN);
  if (!found.length) {
    return <p>{trans.__('No conversation.')}</p>;
  }
  return (
    <>
      <ul>
        {found.slice(0, most).map(conversation => (
          <Row
            key={`${conversation.agent} ${conversation.id}`}
            conversation={conversation}
            {...{ status, kept, trans }}
          />
        ))}
      </ul>
      {found.length > most && (
        <Button label={trans.__('Show more')} onClick={() => setMost(most + SHOWN)} />
      )}
    </>
  );
}

function Row(props: Omit<ListProps, 'found'> & { conversation: Conversation }): React.ReactElement {
  const { conversation, status, kept, trans } = props;
  const { agent, id, title = '', folder = '', at } = conversation;
  const project = folder.split('/').pop();
  const when = at && new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
  const name = title || id;
  return (
    <li className="jp-DbxAgents-line">
      <span className="jp-DbxAgents-grow">
        {name}
        <div className="jp-DbxAgents-quiet" title={folder}>
          {[titleOf(status, agent), project, when].filter(Boolean).join(' · ')}
        </div>
      </span>
      <Button
        label={trans.__('Resume')}
        name={trans.__('Resume %1', name)}
        onClick={() => kept.resume(conversation)}
      />
    </li>
  );
}
